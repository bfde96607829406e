#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/timestamp.h"
#include "libcore/catalog/verified_set.h"
#include "libcore/engine/observer.h"
#include "libcore/engine/verify_finding.h"
#include "libcore/engine/verify_prover.h"
#include "libcore/store/repository.h"

namespace reverse {

/// One thing that damage costs.
struct Damage {
  DamageKind kind = DamageKind::missing;
  std::string object;         ///< its name in objects/; empty: it is about a head
  std::uint64_t size = 0;     ///< bytes: as revisions say, or as stored where none does
  std::string revision;       ///< that needs it; empty: none
  std::string path;           ///< in that revision, raw; of a page the first that is lost with it
  std::uint64_t entries = 0;  ///< how many paths are lost with a page; 0 for a file's content
  std::string note;           ///< for people, what more is known; may be empty
  bool is_accepted = false;   ///< a known loss
};

struct VerifyOptions {
  bool quick = false;  ///< presence and sizes only; contents are not read
  /// Of every `parts` objects one is read, the same ones for the same `part` (1 to `parts`).
  std::uint64_t part = 1, parts = 1;
  /// When no further object is begun. Those verified longest ago come first.
  std::optional<std::chrono::seconds> max_duration;
  /// Only what these revisions ("HOST/LABEL/NAME") need; empty: everything.
  std::vector<std::string> revisions;
  std::set<std::string> accepted_losses;  ///< names of objects
};

struct VerifyReport {
  std::uint64_t revisions = 0;
  std::uint64_t pages = 0;    ///< distinct ones, all read
  std::uint64_t objects = 0;  ///< in objects/
  std::uint64_t bytes = 0;
  std::uint64_t objects_verified = 0;  ///< read in this run and found whole
  std::uint64_t bytes_verified = 0;
  std::uint64_t objects_damaged = 0;  ///< contents that are damaged or missing now
  std::uint64_t paths_damaged = 0;    ///< names in revisions that need them
  std::uint64_t manifests_damaged = 0;
  std::uint64_t elsewhere = 0;  ///< contents that are not in this partial copy
  std::uint64_t accepted = 0;        ///< contents of `objects_damaged` that are known losses
  std::uint64_t not_verified = 0;    ///< objects that could not be looked at
  std::uint64_t never_verified = 0;  ///< objects that no run has read yet
  std::optional<Timestamp> oldest_verified;  ///< of all other objects, the least recent
  std::uint64_t in_trash = 0, in_trash_bytes = 0;
  std::uint64_t in_bad = 0;
  std::uint64_t temporaries = 0, temporary_bytes = 0;
  std::uint64_t foreign = 0;  ///< names that do not belong in a repository
  std::vector<Finding> findings;  ///< what `objects_damaged` counts, sorted by content

  bool is_damaged() const { return objects_damaged > accepted || manifests_damaged > 0; }
};

struct VerifyDeps {
  const Repository& repository;
  ObjectProver& prover;  ///< not asked if `quick`
  VerifiedSet* memory;   ///< nullptr: nothing is remembered
  Observer& observer;
  std::stop_token stop;
  std::function<void(const Damage&)>
      tell;  ///< for each damaged content and each path that needs it
  /// Where a page may be had that is damaged or missing here, so that what lies below it is
  /// verified as well: its verified text, or nullopt. Empty: nowhere.
  std::function<std::optional<std::string>(const Sums&)> spare_page = {};
};

/// Verifies a repository: every head, every distinct page, every object that revisions refer to,
/// and every other one. Reads only. Writers, gc and
/// others may be at work: what they take away meanwhile is no damage. Scratch files go to $TMPDIR;
/// memory grows with the number of revisions and of damaged objects only.
///
/// What is found damaged is looked at a second time, past the page cache, before it is told. Throws
/// `Cancelled`, or what the backend throws; what was verified until then is remembered.
VerifyReport run_verify(const VerifyDeps& deps, const VerifyOptions& options);

}  // namespace reverse
