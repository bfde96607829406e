#pragma once

#include <optional>
#include <string>

#include "libcore/backend/backend.h"

namespace reverse {

/// Renames `from` to `to` (full paths) unless `to` is taken: one atomic step where the file system
/// has one (RENAME_NOREPLACE), else `move_by_link`, else `move_by_check`. Throws what cannot be
/// said by a result.
MoveResult rename_without_replacing(const std::string& from, const std::string& to);

/// The same by link and unlink, for file systems without RENAME_NOREPLACE (NFS, many FUSE): a link
/// never replaces. Both names exist for a moment. nullopt if this file system, or this kind of
/// file, cannot be linked.
std::optional<MoveResult> move_by_link(const std::string& from, const std::string& to);

/// The same by looking first, for file systems without hard links (FAT): best effort, for a file
/// that somebody else puts there between look and rename is replaced.
MoveResult move_by_check(const std::string& from, const std::string& to);

}  // namespace reverse
