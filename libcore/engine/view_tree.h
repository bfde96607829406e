#pragma once

#include <memory>
#include <string>

#include "libcore/engine/view_site.h"

namespace reverse {

/// A view on this machine, of the repository in `root`. Nothing is reached through symlinks.
std::unique_ptr<ViewTree> open_local_tree(const Repository& repository, const std::string& root,
                                          const std::string& directory, ViewReport& report,
                                          const ViewProblem& problem);

/// Removes `name` in `directory` with all below it (`ViewSite::remove_tree`).
void remove_tree_at(int directory, const std::string& name);

}  // namespace reverse
