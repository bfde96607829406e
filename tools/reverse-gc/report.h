#pragma once

#include "libcore/cli/exit_code.h"
#include "libcore/cli/output.h"
#include "libcore/engine/forget.h"
#include "libcore/engine/gc.h"

namespace reverse {

/// Lists the revisions that rules act on with what keeps them, and where windows end.
void tell_rules(const RuledRevisions& ruled, Output& output);

/// What the run did to revisions and objects, or in a dry run would do.
void tell_report(const GcReport& report, bool dry_run, ExitCode code, Output& output);

}  // namespace reverse
