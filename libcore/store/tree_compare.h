#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "libcore/store/tree.h"

namespace reverse {

/// Told of an entry that differs: null where one of the trees has nothing at that path. Valid
/// during the call.
using DifferenceVisitor = std::function<void(const Entry* before, const Entry* after)>;

/// Gives the verified texts of pages, in their order. Throws what a `PageFetcher` throws.
using PagesFetcher = std::function<std::vector<std::string>(std::span<const PageRef> pages)>;

/// Visits, in order of paths, all entries that are not the same in two trees; without a tree
/// `before` all of `after`. Pages that both have are not read, and lines that are equal in two
/// pages are not parsed: the work grows with the differences. Pages are fetched up to 32 at a time;
/// `hint` is told of each but the roots before that, once. Memory: of each tree the differing pages
/// right below one page, the references to those below them, and 32 leaves. What is the same in both
/// is not checked. Throws `corrupt` naming the page, and what `fetch` throws.
void compare_trees(DigestKind kind, const PagesFetcher& fetch, const PageRef* before,
                   const PageRef& after, const DifferenceVisitor& visit, const PageHint& hint = {});

}  // namespace reverse
