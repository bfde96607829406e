#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/store/repository.h"
#include "libcore/store/tree_compare.h"

namespace reverse {

/// What is different about one path.
struct Change {
  enum class Kind {
    added,
    removed,
    modified,  ///< content, a link's target, a device's number
    metadata,  ///< only mode, owner, times, attributes
    type,      ///< what was there is another kind of thing now
    moved,     ///< a file whose content another path had, which is gone
  };
  Kind kind = Kind::added;
  std::string path;  ///< raw bytes, relative to the source
  std::string moved_from;
  FileType type = FileType::file;  ///< of what is there now, or was there
  std::uint64_t size_before = 0, size_after = 0;
  bool only_time = false;  ///< metadata: nothing but the modification time
};

/// What kind of change made `before` into `after`, both there.
Change::Kind kind_of_change(const Entry& before, const Entry& after);

/// `compare_trees` of two revisions of a repository by their roots, with hints where its backend wants
/// them.
void compare_revisions(const Repository& repository, const PageRef& before, const PageRef& after,
                       const DifferenceVisitor& visit);

/// All changes, in order of paths; an entry that moved stands at its new path. Memory grows with
/// their number. Empty files never count as moved. Throws `corrupt`, `not_found`.
std::vector<Change> diff_revisions(const Repository& repository, const Head& before,
                                   const Head& after);

}  // namespace reverse
