#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "libcore/engine/live_set.h"
#include "libcore/store/repository.h"
#include "libcore/store/seen_heads.h"

namespace reverse {

/// Every revision there is ("HOST/LABEL/NAME"), sorted. Where listings may be cut short, they are
/// made twice, and must hold every revision that `seen` expects; an empty directory must prove to
/// be empty by letting itself be removed (not in a dry run). Throws `corrupt` where the list cannot
/// be relied on: manifests/ missing, a head under a name that is no revision's, or the above.
std::vector<std::string> list_all_revisions(const Repository& repository, const SeenHeads& seen,
                                            bool dry_run);

/// Reads the heads of `revisions`; those that are gone by now are left out. Throws `corrupt` for a
/// head that is torn, unknown or unreadable.
std::vector<Root> read_roots(const Repository& repository,
                             const std::vector<std::string>& revisions,
                             const std::stop_token& stop);

}  // namespace reverse
