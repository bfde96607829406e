#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/base/timestamp.h"
#include "libcore/engine/observer.h"
#include "libcore/store/repository.h"

namespace reverse {

/// How garbage collection goes about it. All ages are told by the repository's clock.
struct GcOptions {
  /// How old a mark must be for its revision to go. 0: every mark counts.
  std::chrono::seconds grace = std::chrono::hours(7 * 24);
  /// How long what was taken out waits in the trash; if not given, a day, and 0 where `grace` is 0.
  std::optional<std::chrono::seconds> trash;
  /// How old an object must be that nothing refers to; younger ones may be uploads of a run that
  /// publishes later. If not given, 7 days, and 0 where `grace` is 0.
  std::optional<std::chrono::seconds> keep_unreferenced;
  std::set<std::string> allow;  ///< guards that are waived: "mass-gc"
  bool dry_run = false;
  /// Revisions ("HOST/LABEL/NAME", sorted) to be marked before all else, once the guard has nothing
  /// against it.
  std::vector<std::string> forget;
};

/// What a run did, or in a dry run would do.
struct GcReport {
  std::uint64_t revisions = 0;           ///< that stay
  std::vector<std::string> forgotten;    ///< of `GcOptions::forget`, those that had no mark
  std::vector<std::string> expired;      ///< revisions whose mark was taken: they are gone
  std::uint64_t marked = 0;              ///< revisions that wait for the end of their grace
  std::optional<Timestamp> next_expiry;  ///< when the first of those can go
  std::uint64_t distinct_pages = 0;      ///< read, each once
  std::uint64_t objects = 0;             ///< in objects/ before the run
  std::uint64_t live_objects = 0;        ///< of them referred to
  std::uint64_t unreferenced_kept = 0;   ///< referred to by nothing, but too young to go
  std::uint64_t taken_out = 0, taken_out_bytes = 0;  ///< moved from objects/ to the trash
  std::uint64_t put_back = 0, put_back_bytes = 0;    ///< moved back, since they are needed
  std::uint64_t damaged = 0;  ///< needed, found damaged in the trash, now in bad/
  std::uint64_t deleted = 0, deleted_bytes = 0;        ///< objects deleted for good
  std::uint64_t in_trash = 0, in_trash_bytes = 0;      ///< objects that wait there now
  std::optional<Timestamp> trash_until;                ///< when the last of them can be deleted
  std::uint64_t temporaries = 0, temporary_bytes = 0;  ///< abandoned uploads deleted
  bool gate_closed = false;                            ///< writers then running check once more
};

/// Collects garbage (schema/FORMAT.md, "Forgetting and collecting"): lets revisions go whose marks
/// are older than the grace, takes out objects that nothing refers to, puts back what is needed,
/// deletes what has waited long enough. Takes no lock: writers, readers and other runs may be at
/// work, and a run that is killed anywhere leaves nothing that the next does not finish.
///
/// The plan is made before anything is changed. Anything in it that cannot be read, or is damaged,
/// ends the run with nothing moved. Scratch files go to $TMPDIR; memory does not grow with the
/// repository, but for names of revisions.
///
/// Throws `corrupt` (a head, page or set that cannot be relied on: the message names it), `refused`
/// (guard "mass-gc": nothing is referred to, or more than half of all objects would go),
/// `busy` (others expired revisions while they were read: run again), `Cancelled`, or what the
/// backend throws.
GcReport run_gc(const Repository& repository, const GcOptions& options, Observer& observer,
                const std::stop_token& stop);

}  // namespace reverse
