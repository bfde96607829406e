#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "libcore/catalog/catalog.h"
#include "libcore/store/repository.h"

namespace reverse {

/// What opening a repository for writing may do.
struct OpenOptions {
  std::string location;               ///< canonical text: the key under which the catalog remembers it
  std::string local_path;             ///< where it is mounted on this machine; "" if it is remote
  bool create = true;                 ///< make one where there is none
  std::optional<DigestKind> digest;   ///< asked for: counts at creation, must agree later
  std::set<std::string> allow;        ///< guards that are waived: "create"
  std::string fstab = "/etc/fstab";   ///< where unmounted disks are looked for
  DigestKind usual_digest = DigestKind::md5;  ///< at creation, where none is asked for
  PartialCopy partial = PartialCopy::refused;
};

struct OpenedRepository {
  Repository repository;
  bool created = false;
};

/// Opens the repository at `backend` for writing; creates it in an empty or absent directory if it may.
/// Refused, guard `create`, where this machine used a repository at that location before, or below a mount point of fstab that is not
/// mounted: then a disk is missing, and nothing is made.
/// Throws `no_repository` (there is none and none may be made; something else is there), `refused`, `usage` (another digest; none is made
/// inside another one on this machine).
OpenedRepository open_for_writing(Backend& backend, Catalog& catalog, const OpenOptions& options);

/// What `open_for_writing` would throw before it makes a repository: for dry runs, where there is none yet.
void check_creation(Backend& backend, Catalog& catalog, const OpenOptions& options);

/// The mount point of `fstab` that `path` lies at or below and that is not mounted now; nullopt if there is none.
std::optional<std::string> unmounted_below(const std::string& path, const std::string& fstab);
/// True if `path` is a mount point.
bool is_mount_point(const std::string& path);

}  // namespace reverse
