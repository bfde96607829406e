#include "libcore/engine/expect_backup.h"

#include <vector>

#include "libcore/base/random.h"
#include "libcore/store/gate.h"
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
  AskedHead asked{random_uuid(), basis->token, nullptr};
  asked.upload = ask_for_head(backend, asked.token, asked.id);
  return asked;
}

}  // namespace reverse
