#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <vector>

#include "libcore/engine/heal_sources.h"
#include "libcore/engine/observer.h"
#include "libcore/engine/repair.h"
#include "libcore/engine/verify_finding.h"
#include "libcore/store/repository.h"

namespace reverse {

struct HealReport {
  std::uint64_t healed = 0;  ///< objects
  std::uint64_t healed_bytes = 0;
  std::vector<Finding> left;  ///< of the findings those that are as they were, in order
};

struct HealDeps {
  const Repository& repository;
  Observer& observer;  ///< its progress counts candidates that were read, and their bytes
  TellRepair tell;     ///< of each content that was healed, or that nobody has
  std::stop_token stop;
  bool dry_run = false;  ///< looks for everything, changes nothing
};

/// Stores again what revisions need and a verification found damaged or missing (`findings`), from
/// the first of `sources` that has it; what is whole but open to writers is copied from itself.
/// Every content is hashed on its way, and gets its name only if it is what was lost
/// (schema/FORMAT.md, W2 and "Resolution"): it replaces a damaged object, never a whole one.
/// A healed object is a file of its own, so views that link the damaged one keep that.
///
/// Heads, and pages that are whole and malformed, are not healed. Takes no lock. Killed anywhere,
/// it leaves some objects healed and files in tmp/. Throws `Cancelled`, what the repository throws,
/// and what ends the search of a source.
HealReport run_heal(const HealDeps& deps, const std::vector<Finding>& findings,
                    const std::vector<std::unique_ptr<HealSource>>& sources);

}  // namespace reverse
