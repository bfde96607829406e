#include "libcore/engine/verify_confirm.h"

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/engine/verify_protection.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/small_files.h"
#include "libcore/store/trash.h"

namespace reverse {

bool Confirmation::is_still_damaged(Finding& finding) {
  throw_if_stopped(stop_);
  switch (finding.kind) {
    case DamageKind::page:
    case DamageKind::manifest:
      return true;
    case DamageKind::mode: {
      std::optional<FileStat> stat =
          repository_.backend().stat(object_path(finding.name(repository_.info().digest)));
      return stat && Protection(repository_.backend()).is_broken(*stat);
    }
    case DamageKind::missing:
      return is_still_missing(finding);
    default:
      return is_still_wrong(finding);
  }
}

bool Confirmation::is_still_missing(Finding& finding) {
  finding.kind = DamageKind::missing;
  if (!finding.is_cited) return false;  // gc took it out, and may
  if (quick_) return !is_stored_anywhere(finding);
  try {
    HashSink sink(repository_.info().digest);  // the repository compares the sums
    repository_.read_object(finding.sums(repository_.info().digest), sink);
    return false;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found || error.kind() == ErrorKind::corrupt) return true;
    throw;
  }
}

/// Asks for each place by name: listings may hide what is there.
bool Confirmation::is_stored_anywhere(const Finding& finding) {
  Backend& backend = repository_.backend();
  const DigestKind kind = repository_.info().digest;
  std::vector<ObjectName> names = {{finding.content.digest(kind), std::nullopt}};
  if (kind == DigestKind::md5) names.push_back(name_of(finding.content, kind));
  for (int look = 0; look < 2; ++look) {  // gc may put it back between one place and the other
    std::vector<RepoPath> places;
    for (const ObjectName& name : names) places.push_back(object_path(name));
    list_if_there(backend, layout::kTrash, [&](const ListedFile& run) {
      for (const ObjectName& name : names) places.push_back(trash_path(run.name, to_string(name)));
    });
    for (const RepoPath& place : places)
      if (std::optional<FileStat> stat = backend.stat(place); stat && stat->size == finding.size)
        return true;
  }
  return false;
}

bool Confirmation::is_still_wrong(Finding& finding) {
  Backend& backend = repository_.backend();
  const DigestKind kind = repository_.info().digest;
  const RepoPath path = object_path(finding.name(kind));
  std::optional<FileStat> stat = backend.stat(path);
  if (!stat) return is_still_missing(finding);
  if (quick_ && finding.kind == DamageKind::size) return stat->size != finding.size;
  try {
    backend.forget_cached(path);
    HashSink sink(kind);
    backend.read(path, sink);
    Sums found = sink.finish();
    Sums wanted = finding.sums(kind);
    bool is_whole = found.digest == wanted.digest && found.size == wanted.size &&
                    (!finding.is_cited || found.check == wanted.check) &&
                    (!finding.is_variant || found.check == finding.content.check());
    if (is_whole)
      observer_.warning(
          fmt::format("{} was damaged when it was first read and is not any more: it was healed "
                      "meanwhile, or this machine's memory is not to be trusted",
                      backend.display(path)));
    return !is_whole;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return is_still_missing(finding);
    if (error.kind() != ErrorKind::io) throw;
    finding.kind = DamageKind::unreadable;
    return true;
  }
}

}  // namespace reverse
