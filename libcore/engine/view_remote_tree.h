#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "libcore/backend/remote_trees.h"
#include "libcore/engine/view_site.h"

namespace reverse {

/// A view on the machine of `repository`, which `trees` reaches. Steps are collected and done thousands
/// at a time, and what became of them is looked at.
std::unique_ptr<ViewTree> open_remote_tree(const Repository& repository, RemoteTrees& trees,
                                           const std::string& directory, ViewReport& report,
                                           const ViewProblem& problem);

/// Says that such a view with about so many files will be made: how many objects there are is asked
/// for then, before it is needed.
void expect_objects(const Repository& repository, std::uint64_t files);

}  // namespace reverse
