#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "libcore/cli/exit_code.h"
#include "libcore/cli/output.h"
#include "libcore/engine/verify.h"
#include "tools/reverse-verify/repair.h"

namespace reverse {

/// How a run went about it, for its summary.
struct VerifyManner {
  std::string where;   ///< "server" or "client"
  std::string proves;  ///< a sentence: which way it was done, and what that proves
  bool quick = false;
  std::chrono::duration<double> took{};
  std::optional<RepairTally> repaired = {};  ///< where anything was to be done about damage
};

/// One line, or object, for one thing that damage costs.
void tell_damage(const Damage& damage, Output& output);
/// What was found, in words or as the summary object.
void tell_report(const VerifyReport& report, const VerifyManner& manner, ExitCode code,
                 Output& output);

}  // namespace reverse
