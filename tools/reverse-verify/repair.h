#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libcore/cli/tool.h"
#include "libcore/engine/heal.h"
#include "libcore/engine/verify.h"

namespace reverse {

/// What was done about damage, for the summary.
struct RepairTally {
  bool dry_run = false;
  std::uint64_t healed = 0, healed_bytes = 0;
  std::uint64_t quarantined = 0, put_back = 0;
  std::uint64_t left = 0;  ///< objects that are as damaged as they were, known losses excepted
};

/// --heal-from and --quarantine. One thread at a time.
class RepairPlan {
 public:
  void declare(OptionSet& options);

  /// Whether anything is to be done about damage.
  bool is_wanted() const { return quarantine_ || !heal_from_.empty(); }
  /// Looks at every --heal-from, before hours go by. `location`: of `repository`, as on the command
  /// line. Throws `usage`, `not_found`, `no_repository`.
  void open_sources(const Repository& repository, const std::string& location, Invocation& call);
  /// A page that the repository lost, from one of the sources.
  std::optional<std::string> page(const Sums& sums);

  /// Heals what can be healed, takes out what is left. Throws `refused` (guard "mass-damage").
  void run(const Repository& repository, const VerifyReport& found,
           const std::set<std::string>& accepted_losses, Invocation& call);
  const RepairTally& tally() const { return tally_; }

 private:
  struct Repositories {
    std::unique_ptr<Backend> backend;
    Repository repository;
  };
  void open_source(const std::string& text, const Repository& repository,
                   const std::string& location, Invocation& call);
  std::vector<Finding> heal(const Repository& repository, const std::vector<Finding>& findings,
                            Invocation& call);

  bool quarantine_ = false;
  std::vector<std::string> heal_from_;
  std::vector<std::unique_ptr<Repositories>> repositories_;  // that sources read
  std::vector<std::unique_ptr<HealSource>> sources_;
  RepairTally tally_;
};

}  // namespace reverse
