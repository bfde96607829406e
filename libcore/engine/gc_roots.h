#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/base/timestamp.h"
#include "libcore/engine/live_set.h"
#include "libcore/store/head.h"
#include "libcore/store/repository.h"
#include "libcore/store/seen_heads.h"

namespace reverse {

/// A revision as a listing shows it.
struct ListedRevision {
  std::string name;   ///< "HOST/LABEL/NAME"
  Timestamp arrived;  ///< by the repository's clock
};

/// Every revision there is, sorted by name. Where listings may be cut short, they are
/// made twice, and must hold every revision that `seen` expects; an empty directory must prove to
/// be empty by letting itself be removed (not in a dry run). Throws `corrupt` where the list cannot
/// be relied on: manifests/ missing, a head under a name that is no revision's, or the above.
std::vector<ListedRevision> list_all_revisions(const Repository& repository, const SeenHeads& seen,
                                               bool dry_run);

/// Gives the heads of `revisions` to `visit`, with the index of each; those that are gone by now
/// are left out. Throws `corrupt` for a head that is torn, unknown or unreadable.
void read_heads(const Repository& repository, const std::vector<std::string>& revisions,
                const std::stop_token& stop,
                const std::function<void(std::size_t index, const Head& head)>& visit);

/// The roots of `revisions`, read likewise.
std::vector<Root> read_roots(const Repository& repository,
                             const std::vector<std::string>& revisions,
                             const std::stop_token& stop);

}  // namespace reverse
