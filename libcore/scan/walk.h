#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/scan/file_system.h"
#include "libcore/scan/filter.h"
#include "libcore/scan/source_entry.h"

namespace reverse {

struct WalkOptions {
  bool one_file_system = false;
  std::set<MountKind> cross;                   ///< of memory, network, fuse
  std::vector<std::string> exclude_if_present; ///< FILE or FILE:HEADER: a directory with it keeps only that file
  bool exclude_caches = false;                 ///< CACHEDIR.TAG with its signature
  std::optional<std::uint64_t> exclude_larger_than;  ///< bytes
  /// If set: only these paths (relative to the source, sorted by compare order not required), directories whole, and their parents.
  std::optional<std::vector<std::string>> only;
  /// Called with each directory's names known to include "repository.yaml": true if it is a nested repository. Its content is then not walked and
  /// the entry's type is `repository`.
  std::function<bool(const SourceEntry&, int directory_fd)> is_repository;
  /// Directories (device, inode) to be left out wholly, without an entry (the repository written to).
  std::set<std::pair<std::uint64_t, std::uint64_t>> omit;
};

/// Why a name that exists is not walked: its catalog rows stay.
enum class SkipReason { excluded, mount, other_file_system, tag, repository, omitted };

/// Receives a walk. Called in the walking thread, in the format's order.
class WalkVisitor {
 public:
  virtual ~WalkVisitor() = default;
  /// A name to be backed up. `list_error` is set for a directory whose names could not be read: nothing below it follows.
  virtual void entry(SourceEntry entry, const std::optional<std::string>& list_error) = 0;
  /// `path` exists, but it (a directory: what is below it) is not walked. Directories that are kept without their content (mounts, tags, repositories)
  /// get their `entry` right before; after it a tagged directory has its tag file's `entry`.
  /// `detail` for people: "pattern" or "size", the file system's type, the tag file's name.
  virtual void skipped(const std::string& path, SkipReason reason, const std::string& detail) = 0;
  /// A name that was listed and then could not be examined: `vanished` if it is gone meanwhile, else `error` tells.
  virtual void failed(const std::string& path, bool vanished, const std::string& error) = 0;
};

/// Walks `source` (absolute; a symlink at its end is followed) in the format's order: parents first, a directory's content right after it.
/// Never follows symlinks below it, never leaves it; depth is bounded by nothing but memory (a few fds at a time are open; entries keep theirs).
/// The source itself is neither excluded nor taken for a nested repository. Names that `only` lists are walked whatever the filter says of them;
/// it holds for what is below them.
/// A second thread reads directories ahead (scan/read_ahead.h), so what is told of a name that is no directory may be some milliseconds old.
/// Memory: one directory's names a level, and some MB for what was read ahead. At most 512 `SourceDirectory`s (half of the process's descriptors, if that is less) are alive at once: the
/// walk waits for others to let go, who must not wait for further entries meanwhile. The visitor itself may hold back entries of up to 64
/// directories from call to call, and some 24 more. Up to 64 directories that were read ahead are open besides.
/// Throws `not_found`, `permission`, `io` for the source itself, `io` when descriptors or memory of the whole system run out, `usage` for a malformed
/// `exclude_if_present`; `Cancelled` on stop.
void walk(const std::string& source, const WalkOptions& options, Filter& filter, WalkVisitor& visitor,
          const std::stop_token& stop);

}  // namespace reverse
