#pragma once

#include "libcore/cli/cli_observer.h"
#include "libcore/cli/tool.h"
#include "libcore/engine/sync.h"

namespace reverse {

/// Tells what became of one revision; what it lacks are problems.
void tell_revision(const SyncedRevision& revision, bool dry_run, Output& output);

/// A whole run with progress and summary; `deps.observer` is `observer`, and `deps.tell` tells of
/// each revision.
ExitCode sync_and_tell(const SyncDeps& deps, const SyncOptions& options, CliObserver& observer,
                       Invocation& call);

}  // namespace reverse
