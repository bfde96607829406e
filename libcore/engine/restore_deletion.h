#pragma once

#include <stop_token>

#include "libcore/engine/restore.h"

namespace reverse {

/// Removes from the target what the revision does not have, in those directories that
/// `options` restores whole; a dry run only tells of it. Left alone: what a pattern excludes,
/// directories whose names could not be read when they were backed up, and other file systems that
/// are mounted below the target. Nothing is reached through symlinks below the target.
/// Counts names in `report`; what cannot be removed is reported and counted as failed. Throws
/// `usage` for a checkpoint, which lacks names that were there; what the backend throws; `Cancelled`.
void delete_others(const Repository& repository, const Head& head, const RestoreOptions& options,
                   Observer& observer, RestoreReport& report, const std::stop_token& stop);

}  // namespace reverse
