#include "tests/engine/sync_scene.h"

#include "libcore/base/text.h"
#include "libcore/engine/open_repository.h"

namespace reverse {

Synced sync(Backend& from, Backend& to, const Client& client, const SyncOptions& options,
            DigestKind digest, const std::stop_token& stop) {
  Synced synced{{}, {}, std::make_unique<RecordingObserver>()};
  expect_sync(from, to);
  const auto warn = [&](const std::string& message) { synced.observer->warning(message); };
  const auto catalog = Catalog::open(client.cache(), warn);
  OpenOptions open;
  open.location = to.display("");
  open.fstab = "/dev/null";
  open.usual_digest = digest;
  open.partial = PartialCopy::accepted;
  OpenedRepository target = open_for_writing(to, *catalog, open);
  if (options.elsewhere) target.repository.declare_partial();
  const auto present = PresentSet::open(client.cache(), target.repository.info().id, warn);
  const Repository source = Repository::open(from, false);
  synced.report = run_sync(
      {source, &target.repository, target.repository.info().digest, present.get(), *synced.observer,
       stop, [&](const SyncedRevision& revision) { synced.revisions.push_back(revision); },
       [&](const std::string& id) { return Translations::open(client.cache(), id, warn); },
       [&](const std::string&) {
         return UploadJournal::open(client.cache(), target.repository.info().id, warn);
       }},
      options);
  return synced;
}

Synced sync(const Place& from, const Place& to, const Client& client, const SyncOptions& options,
            DigestKind digest) {
  return sync(*from.connect(), *to.connect(), client, options, digest);
}

std::vector<std::string> revisions_of(const Place& place) {
  return Repository::open(*place.connect(), false).all_revisions();
}

std::string inventory_of(const Place& place) {
  std::string text;
  for (const auto& [path, content] : place.files())
    if (path.starts_with("objects/")) text += path.substr(path.rfind('/') + 1) + "\n";
  for (const std::string& revision : revisions_of(place)) text += revision + "\n";
  return text;
}

}  // namespace reverse
