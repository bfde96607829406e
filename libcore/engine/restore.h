#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/engine/observer.h"
#include "libcore/scan/filter.h"
#include "libcore/store/repository.h"

namespace reverse {

/// What to do with a name that exists in the target already.
enum class Overwrite {
  never,       ///< a file that differs is kept and counted
  if_newer,    ///< replaced if the revision's is newer
  if_changed,  ///< replaced if size or modification time differ
  always,
};

struct RestoreOptions {
  /// Absolute directory that the revision's root becomes, or in which the last component of `path` appears.
  /// It and its parents are made if need be; symlinks in this very path are followed.
  std::string target;
  std::string path;  ///< relative to the source; "" restores everything
  std::vector<std::string> include;  ///< patterns; if any is given only what matches (and its parents) is restored
  std::vector<std::string> exclude;  ///< patterns
  /// Relative to the source: if there are any only these are restored (and their parents),
  /// directories whole.
  std::optional<std::vector<std::string>> only;
  bool delete_others = false;  ///< remove what the revision does not have, in directories that are restored whole
  bool salvage = false;        ///< damaged content as NAME.damaged
  Overwrite overwrite = Overwrite::never;
  bool sparse = false;       ///< holes for long runs of zeros in every file; files that were sparse always get them
  bool numeric_ids = false;  ///< owners by number, not by name
  bool no_owner = false;
  bool special = false;      ///< devices, set-id bits, security.* and trusted.* attributes
  bool verify = false;       ///< read every file back from disk afterwards
  bool dry_run = false;
};

struct RestoreReport {
  std::uint64_t files_restored = 0;   ///< regular files, as a revision counts them
  std::uint64_t others_restored = 0;  ///< links and special files: what is neither file nor directory
  std::uint64_t repositories_restored = 0;  ///< nested ones, made again
  std::uint64_t files_skipped = 0;   ///< already as they should be
  std::uint64_t files_kept = 0;      ///< different, kept by `overwrite`
  std::uint64_t bytes_restored = 0;
  std::uint64_t special_left_out = 0;  ///< devices, set-id bits and attributes not applied without `special`
  std::uint64_t owners_left_out = 0;   ///< names whose owner could not be set
  std::uint64_t damaged = 0;    ///< files whose content is missing or wrong in the repository: not restored
  std::uint64_t unreadable = 0; ///< entries that held no content when they were backed up
  std::uint64_t failed = 0;     ///< names that could not be made here
  std::uint64_t files_deleted = 0;  ///< names that were not in the revision, directories not counted
  std::uint64_t salvaged = 0;       ///< of the damaged: restored as NAME.damaged
};

/// Restores the part of a revision that `options` names. Nothing is ever written outside the target, whatever the revision says and
/// whatever symlinks lie in the way; a file gets its name only when its content was verified.
/// Items that fail are reported to `observer` and counted; the rest is restored.
/// Throws `not_found` if `path` is not in the revision; what the backend throws, where pages cannot be read; `Cancelled`.
RestoreReport run_restore(const Repository& repository, const Head& head,
                          const RestoreOptions& options, Observer& observer,
                          const std::stop_token& stop);

}  // namespace reverse
