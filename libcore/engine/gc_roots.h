#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/base/timestamp.h"
#include "libcore/engine/live_set.h"
#include "libcore/store/head.h"
#include "libcore/store/marks.h"
#include "libcore/store/repository.h"

namespace reverse {

/// A revision as a listing shows it.
struct ListedRevision {
  std::string name;   ///< "HOST/LABEL/NAME"
  Timestamp arrived;  ///< by the repository's clock
};

/// Every revision and every mark that there is, both sorted by revision.
struct RepositoryNames {
  std::vector<ListedRevision> revisions;
  std::vector<Mark> marks;
  /// Directories of sets that a listing shows as empty and that nobody proved to be.
  std::vector<RepoPath> doubtful;
  bool is_complete = false;  ///< otherwise listings may have been cut short
};

/// Lists manifests/ and forgotten/. Where listings may be cut short, every revision must be there
/// that gc has seen and that none removed since, and an empty directory must prove to be empty by
/// letting itself be removed (in a dry run it is `doubtful`). Throws `corrupt` where the
/// list cannot be relied on: something cannot be listed, manifests/ is missing, a head has a name
/// that is no revision's, or the above.
RepositoryNames list_names(const Repository& repository, bool dry_run);

/// Gives the heads of `revisions` to `visit`, with the index of each; those that are gone by now
/// are left out: gc removed them, and says so. Throws `corrupt` for a head that is torn, unknown or
/// unreadable, or not there for any other reason.
void read_heads(const Repository& repository, const std::vector<std::string>& revisions,
                const std::stop_token& stop,
                const std::function<void(std::size_t index, const Head& head)>& visit);

/// The roots of `revisions`, read likewise.
std::vector<Root> read_roots(const Repository& repository,
                             const std::vector<std::string>& revisions,
                             const std::stop_token& stop);

}  // namespace reverse
