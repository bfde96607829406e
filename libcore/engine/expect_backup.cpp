#include "libcore/engine/expect_backup.h"

#include <vector>

#include "libcore/store/layout.h"
#include "libcore/store/small_files.h"

namespace reverse {

AskedHead expect_backup(Backend& backend, const std::string& set,
                        const std::optional<PresentSet::Basis>& basis) {
  std::vector<Expected> soon{{layout::kRepositoryFile}};
  if (basis && !basis->revision.empty()) soon.push_back({layout::head(basis->revision)});
  for (const RepoPath& directory : {RepoPath(), layout::kFeatures, layout::set_directory(set)})
    soon.push_back({directory, true});
  backend.expect(soon);
  if (!basis || backend.traits().cheap_stat) return {};
  return {basis->token, ask_for_head(backend, basis->token)};
}

void expect_first_backup(Backend& backend, const std::string& set) {
  expect_listings(backend, {layout::set_directory(set), layout::kWriting, layout::kManifests});
}

}  // namespace reverse
