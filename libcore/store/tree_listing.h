#pragma once

#include <map>
#include <optional>
#include <vector>

#include "libcore/backend/backend.h"

namespace reverse {

/// What lies in some directories and below them, for decisions that a name left out would make
/// wrong.
struct TreeListing {
  /// By path below the root: those of the directories that are there, and what they hold.
  std::map<RepoPath, FileStat> entries;
  /// True if nothing was left out. Otherwise each directory was listed twice, and this is what
  /// either of the two showed: servers may cut a listing short without an error.
  bool is_complete = false;

  /// True if nothing was seen in `directory`.
  bool shows_empty(const RepoPath& directory) const;
};

// Lists `directories` (existing or not) and what is below, down to `depth` names deep, entering only
// directories that can be part of a set's name.

/// Leaves nothing out: on this machine, or by the server's own `find` (`find_on_server`). nullopt
/// where neither can be had. Throws `corrupt` where `find` could not read something, otherwise what
/// the backend throws.
std::optional<TreeListing> list_trees_completely(Backend& backend,
                                                 const std::vector<RepoPath>& directories,
                                                 std::size_t depth);
/// What two listings show.
TreeListing list_trees_twice(Backend& backend, const std::vector<RepoPath>& directories,
                             std::size_t depth);
/// The first of these that can be had.
TreeListing list_trees(Backend& backend, const std::vector<RepoPath>& directories,
                       std::size_t depth);

}  // namespace reverse
