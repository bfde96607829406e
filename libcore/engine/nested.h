#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "libcore/engine/sync.h"

namespace reverse {

// Repositories inside of what is backed up (schema/FORMAT.md, "Nested repositories").

/// The repository in a local directory, opened for reading.
struct LocalRepository {
  std::unique_ptr<Backend> backend;
  Repository repository;

  /// Throws what `Repository::open` throws.
  static LocalRepository open(const std::string& directory);
};

/// Makes a repository again in `directory`, of those revisions of `repository` that had been finished
/// when `revision` was started. `id`: what the repository was called; one of that id which is there
/// gets what it lacks. Throws what the backends throw, `exists` where another repository is.
SyncReport restore_nested(const Repository& repository, const Head& revision, const std::string& id,
                          const std::string& directory, Observer& observer,
                          const std::stop_token& stop);

}  // namespace reverse
