#pragma once

#include <string>
#include <vector>

#include "libcore/engine/sync.h"
#include "tests/engine/client.h"

namespace reverse {

/// What a run of sync told.
struct Synced {
  SyncReport report;
  std::vector<SyncedRevision> revisions;  ///< in order
  std::unique_ptr<RecordingObserver> observer;
};

/// One run of a machine with the cache of `client`. The target is made, with `digest`, if there is
/// none, and becomes a partial copy if `options` say what lies elsewhere.
Synced sync(Backend& from, Backend& to, const Client& client, const SyncOptions& options = {},
            DigestKind digest = DigestKind::md5, const std::stop_token& stop = {});
Synced sync(const Place& from, const Place& to, const Client& client,
            const SyncOptions& options = {}, DigestKind digest = DigestKind::md5);

/// Names of all revisions, sorted.
std::vector<std::string> revisions_of(const Place& place);
/// What `reverse-snapshot inventory` prints of it.
std::string inventory_of(const Place& place);

}  // namespace reverse
