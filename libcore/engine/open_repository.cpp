#include "libcore/engine/open_repository.h"

#include <mntent.h>

#include <cstdio>
#include <filesystem>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/store/layout.h"

namespace reverse {

namespace {

struct CloseMounts {
  void operator()(std::FILE* file) const { ::endmntent(file); }
};
using MountFile = std::unique_ptr<std::FILE, CloseMounts>;

/// Calls `visit` with each mount point that `file` (of fstab's form) names.
template <typename Visit>
void visit_mounts(const std::string& file, Visit visit) {
  MountFile mounts(::setmntent(file.c_str(), "re"));
  if (!mounts) return;  // no fstab: nothing is said about mounts
  mntent entry{};
  char buffer[8192];
  while (::getmntent_r(mounts.get(), &entry, buffer, sizeof buffer) != nullptr)
    visit(std::string(entry.mnt_dir), std::string(entry.mnt_type));
}

bool lies_at_or_below(const std::string& path, const std::string& directory) {
  return path == directory || path.starts_with(directory == "/" ? directory : directory + "/");
}

[[noreturn]] void refuse_creation(const std::string& location, const std::string& why) {
  fail(ErrorKind::refused,
       "no repository is made at '{}': {}. Mount the disk; or, if a new repository is wanted there, add --allow create",
       printable(location), why);
}

/// The repository that `path` lies in; nullopt if there is none.
std::optional<std::string> repository_around(const std::string& path) {
  const std::filesystem::path whole(path);
  for (auto outer = whole.parent_path(); outer != outer.parent_path(); outer = outer.parent_path()) {
    std::error_code unknown;  // what cannot be looked at refuses nothing
    if (std::filesystem::exists(outer / layout::kRepositoryFile, unknown)) return outer.string();
  }
  return std::nullopt;
}

void guard_creation(Catalog& catalog, const OpenOptions& options) {
  if (!options.local_path.empty())
    if (auto outer = repository_around(options.local_path))
      fail(ErrorKind::usage, "no repository is made at '{}': it lies in the one at '{}'",
           printable(options.location), printable(*outer));
  if (options.allow.count("create") > 0) return;
  if (catalog.repository_at(options.location))
    refuse_creation(options.location, "this machine used one there before, and it is gone");
  if (options.local_path.empty()) return;
  if (auto mount = unmounted_below(options.local_path, options.fstab))
    refuse_creation(options.location, fmt::format("'{}' is not mounted", printable(*mount)));
}

/// What `check_creation` says where it is known what was `found`.
void check_found(LocationState found, Catalog& catalog, const OpenOptions& options) {
  if (found == LocationState::foreign)
    fail(ErrorKind::no_repository, "'{}' is neither empty nor a repository: nothing was changed",
         printable(options.location));
  if (!options.create)
    fail(ErrorKind::no_repository, "there is no repository at '{}'", printable(options.location));
  guard_creation(catalog, options);
}

}  // namespace

bool is_mount_point(const std::string& path) {
  bool found = false;
  visit_mounts("/proc/self/mounts", [&](const std::string& at, const std::string&) { found |= at == path; });
  return found;
}

std::optional<std::string> unmounted_below(const std::string& path, const std::string& fstab) {
  std::optional<std::string> missing;
  visit_mounts(fstab, [&](const std::string& at, const std::string& type) {
    if (type != "swap" && at.starts_with('/') && lies_at_or_below(path, at) && !is_mount_point(at))
      missing = at;
  });
  return missing;
}

OpenedRepository open_for_writing(Backend& backend, Catalog& catalog, const OpenOptions& options) {
  LocationState state = look_at_location(backend);
  if (state == LocationState::repository) {
    Repository repository = Repository::open(backend, true, options.partial);
    if (options.digest && *options.digest != repository.info().digest)
      fail(ErrorKind::usage, "the repository at '{}' was made with --digest {}",
           printable(options.location), to_string(repository.info().digest));
    if (catalog.repository_at(options.location) != repository.info().id)
      catalog.put_repository_at(options.location, repository.info().id);
    return {std::move(repository), false};
  }
  check_found(state, catalog, options);
  Repository repository =
      Repository::create(backend, options.digest.value_or(options.usual_digest), {}, state);
  catalog.put_repository_at(options.location, repository.info().id);
  return {std::move(repository), true};
}

void check_creation(Backend& backend, Catalog& catalog, const OpenOptions& options) {
  check_found(look_at_location(backend), catalog, options);
}

}  // namespace reverse
