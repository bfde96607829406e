#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libcore/backend/backend.h"
#include "libcore/base/timestamp.h"
#include "libcore/store/tree_listing.h"

namespace reverse {

// Marks (schema/FORMAT.md, "Forgetting and collecting"): an empty file forgotten/HOST/LABEL/NAME
// says that revision HOST/LABEL/NAME may go. Until gc has taken its mark, a revision counts in
// full.

struct Mark {
  std::string revision;  ///< "HOST/LABEL/NAME"
  Timestamp made;        ///< by the repository's clock
};

/// The marks in a listing of forgotten/, sorted by revision, those of revisions that are gone
/// included. Foreign names are left out.
std::vector<Mark> marks_in(const TreeListing& listing);
/// All marks there are.
std::vector<Mark> list_marks(Backend& backend);
/// The mark of a revision in such a list; nullptr if it has none.
const Mark* find_mark(const std::vector<Mark>& marks, std::string_view revision);

/// Marks revisions, durably; gives up the reserve if the disk is full. Returns those that had no
/// mark before; where there was one, it keeps its age.
std::vector<std::string> make_marks(Backend& backend, const std::vector<std::string>& revisions);

/// Takes a mark back, durably. False if there is none (any more): gc may have taken it.
bool remove_mark(Backend& backend, std::string_view revision);

}  // namespace reverse
