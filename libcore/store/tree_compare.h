#pragma once

#include <functional>

#include "libcore/store/tree.h"

namespace reverse {

/// Told of an entry that differs: null where one of the trees has nothing at that path. Valid
/// during the call.
using DifferenceVisitor = std::function<void(const Entry* before, const Entry* after)>;

/// Visits, in order of paths, all entries that are not the same in two trees; without a tree
/// `before` all of `after`. Pages that both have are not read, and lines that are equal in two
/// pages are not parsed: the work grows with the differences. `hint` is told of pages that are
/// likely to be fetched. What is the same in both is not checked. Throws `corrupt` naming the page,
/// and what `fetch` throws.
void compare_trees(DigestKind kind, const PageFetcher& fetch, const PageRef* before,
                   const PageRef& after, const DifferenceVisitor& visit, const PageHint& hint = {});

}  // namespace reverse
