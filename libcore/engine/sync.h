#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/base/timestamp.h"
#include "libcore/catalog/present_set.h"
#include "libcore/engine/large_uploads.h"
#include "libcore/engine/observer.h"
#include "libcore/engine/revision_copier.h"
#include "libcore/engine/revisions.h"
#include "libcore/store/inventory.h"
#include "libcore/store/repository.h"

namespace reverse {

/// Which revisions of a repository are meant to be in another one.
struct SyncSelection {
  RevisionFilter filter;
  std::vector<std::string> revisions;   ///< "HOST/LABEL/NAME"; empty: all that `filter` leaves
  std::optional<std::uint64_t> latest;  ///< of each set only so many, the newest
  std::optional<Timestamp> since;       ///< only those started then or later
  /// Also those that the target's gc has removed, and those that are marked in the source.
  bool include_forgotten = false;
};

struct SyncOptions {
  SyncSelection selection;
  const Inventory* elsewhere = nullptr;  ///< what the repository has that the target is carried to
  std::optional<std::uint64_t> max_bytes;  ///< of contents and pages that may be sent
  bool dry_run = false;
};

/// What became of a revision that the target lacked.
struct SyncedRevision {
  Head head;  ///< as in the target, if it is there
  bool is_published = false;
  bool has_vanished = false;  ///< it was forgotten in the source meanwhile
  CopiedTree tree;
};

struct SyncReport {
  std::uint64_t present = 0;    ///< revisions that the target had already
  std::uint64_t forgotten = 0;  ///< that it has forgotten, and that are marked in the source
  std::uint64_t copied = 0;     ///< that were published, or would be
  std::uint64_t damaged = 0;    ///< that are not, since the source is damaged
  std::uint64_t held_back = 0;  ///< that are not, for another reason
  std::uint64_t unfinished = 0;  ///< of those copied: in a partial copy, and more of them goes next time
  std::uint64_t objects = 0, bytes = 0;  ///< that were sent, or would be
  LargeUploads::WentOn went_on;  ///< those of them that an earlier run had begun to send

  bool operator==(const SyncReport&) const = default;
};

struct SyncDeps {
  const Repository& source;
  const Repository* target;  ///< opened for writing; nullptr: there is none yet (dry runs)
  DigestKind target_digest;
  PresentSet* present;  ///< of the target; not used in dry runs
  Observer& observer;
  std::stop_token stop;
  std::function<void(const SyncedRevision&)> tell;  ///< after each revision
  /// Asked for the source's where the target has another digest; empty: everything is hashed each time.
  OpenTranslations open_translations = {};
  OpenCopyJournal open_uploads = {};  ///< so that large contents go on where an earlier run stopped
};

/// Copies revisions with all they need, as far as the target lacks it; removes nothing. A revision
/// appears in the target only when everything that it needs is there (in a partial copy: there, or
/// in the repository that it is made for). Interrupted, it goes on where it was when it is run
/// again. Writers and gc may be at work on either side. Throws `busy` (the target's gate was closed
/// several times running), `Cancelled`, or what the repositories throw.
SyncReport run_sync(const SyncDeps& deps, const SyncOptions& options);

/// The same through a `writer` of the target that has begun and whose commit loop runs elsewhere
/// (nullptr in dry runs); what it does is added to `report`. False: the gate was closed before all had
/// come through. `deps.present` is not used.
bool sync_into(const SyncDeps& deps, const SyncOptions& options, RepositoryWriter* writer,
               SyncReport& report);

/// Says what a sync reads first of the two (`Backend::expect`), before anything else is done: a
/// distant repository is then asked it all at once.
void expect_sync(Backend& source, Backend& target);

}  // namespace reverse
