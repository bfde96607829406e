#include "libcore/engine/expect_backup.h"

#include <vector>

#include "libcore/store/layout.h"

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

AskedHead expect_first_backup(const Repository& repository) {
  Backend& backend = repository.backend();
  if (backend.traits().cheap_stat) return {};
  return {repository.first_gate(), ask_for_head(backend, repository.first_gate()), true};
}

}  // namespace reverse
