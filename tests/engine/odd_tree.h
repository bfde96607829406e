#pragma once

#include <string>

#include "tests/support/temp_tree.h"

namespace reverse {

/// Fills `tree` with everything that an unprivileged user can put into a file system, as one
/// directory for each kind of oddity.
void make_odd_tree(TempTree& tree);

/// A chain of `levels` directories below `root`, with names so long that no path reaches the end,
/// and a file "end" in the last.
void make_deep_chain(const std::string& root, int levels);

}  // namespace reverse
