#pragma once

#include <cstdint>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/engine/observer.h"
#include "libcore/engine/repair.h"
#include "libcore/engine/verify_finding.h"
#include "libcore/store/repository.h"

namespace reverse {

struct QuarantineOptions {
  std::uint64_t objects = 0;    ///< in the repository: what the guard compares with
  std::set<std::string> allow;  ///< guards that are waived: "mass-damage"
  bool dry_run = false;         ///< decides and tells, changes nothing
};

struct QuarantineReport {
  std::uint64_t quarantined = 0;  ///< objects taken out of objects/
  std::uint64_t put_back = 0;     ///< objects that turned out to be whole, in objects/ again
  bool gate_closed = false;       ///< writers then running check once more
};

/// Takes damaged objects out of objects/ as gc takes out others (schema/FORMAT.md, "Quarantine"), so
/// that no writer takes them for present: the next backup of a machine that still has the file
/// stores it again. `findings`: what a verification has found. Each is read once more, past the page
/// cache; what is not what its name says goes to the trash, the gate is closed, and then every copy
/// there is hashed: whole ones go back, damaged ones that are needed go to bad/, where readers look
/// last. For contents that are missing the gate is closed as well. Takes no lock; a run that is
/// killed anywhere is finished by the next, or by gc.
///
/// Throws `refused` (guard "mass-damage": more than one object, and more than 100 or one in a
/// hundred), `Cancelled`, or what the backend throws.
QuarantineReport run_quarantine(const Repository& repository, const std::vector<Finding>& findings,
                                const QuarantineOptions& options, const TellRepair& tell,
                                const std::stop_token& stop);

}  // namespace reverse
