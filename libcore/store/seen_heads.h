#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "libcore/backend/backend.h"

namespace reverse {

/// What runs of gc know of revisions (schema/FORMAT.md, "gc/heads"): those that were there, and
/// those that they removed. Kept in files of which each holds everything its writer knew; what is
/// known is the union, and a removal wins, so that runs at the same time lose nothing of each
/// other. One thread at a time.
class SeenHeads {
 public:
  /// Where the files lie.
  static inline const RepoPath kDirectory = "gc/heads";

  /// Throws `corrupt` for a file that cannot be read.
  static SeenHeads read(Backend& backend);

  /// Revisions that were there and are not known to have been removed, sorted.
  std::vector<std::string> expected() const;
  bool was_removed(const std::string& revision) const;

  /// From now on `revisions` are what is there. What was removed stays so.
  void set_present(const std::vector<std::string>& revisions);
  void add_removed(const std::string& revision);

  /// Writes a file that holds everything, if anything changed since, and removes those that were
  /// read.
  void write(Backend& backend);

 private:
  std::map<std::string, bool> removed_;  // by revision
  std::vector<RepoPath> files_;          // that were read or written
  bool changed_ = false;
};

}  // namespace reverse
