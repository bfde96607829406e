#pragma once

#include "libcore/backend/backend.h"

namespace reverse {

// Repositories to which a group of accounts may only add (schema/FORMAT.md, "Append-only
// accounts"). What the group may write to, it writes to through a server that lets it neither
// remove nor rename.

/// True if the root belongs to others than those who write here: they may make revisions, not
/// directories beside them.
bool is_append_only(Backend& backend);

/// Lets the group of a directory make files in it.
void open_to_group(Backend& backend, const RepoPath& directory);

/// Has `Repository::create` make an append-only repository: makes those directories, open to the
/// group, in which writers make files. Throws `usage` unless the root is there with the mode of
/// such a repository: readable to its group, not writable, set-group-id.
void prepare_append_only(Backend& backend);

}  // namespace reverse
