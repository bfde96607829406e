#pragma once

#include <stop_token>

#include "libcore/engine/restore.h"
#include "libcore/engine/tar_writer.h"

namespace reverse {

/// Writes the part of a revision that `options` names as members of an archive, which is not ended.
/// What `options` says of a target counts for nothing; nor do existing files and `sparse`. Names are
/// those that a restore would make below the target, "./" being the revision's root. A member's
/// content was verified before any of it is written. Sockets have no place in archives; they, and
/// without `special` devices, set-id bits and security attributes, are left out and counted.
/// Throws what `run_restore` throws, and what the archive's sink does.
RestoreReport run_tar(const Repository& repository, const Head& head, const RestoreOptions& options,
                      TarWriter& archive, Observer& observer, const std::stop_token& stop);

}  // namespace reverse
