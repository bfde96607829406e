#pragma once

#include <chrono>

#include "libcore/cli/exit_code.h"
#include "libcore/cli/output.h"
#include "libcore/engine/sync.h"

namespace reverse {

/// Tells what became of one revision; what it lacks are problems.
void tell_revision(const SyncedRevision& revision, bool dry_run, Output& output);

/// The summary of a run.
void tell_report(const SyncReport& report, bool dry_run, std::chrono::duration<double> took,
                 ExitCode code, Output& output);

}  // namespace reverse
