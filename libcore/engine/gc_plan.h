#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/engine/gc.h"
#include "libcore/engine/gc_roots.h"
#include "libcore/engine/gc_trash.h"
#include "libcore/engine/live_set.h"
#include "libcore/engine/sharded_set.h"
#include "libcore/store/seen_heads.h"

namespace reverse {

/// An object that nothing refers to, old enough to be taken out.
struct GcCandidate {
  ObjectName name;
  std::uint64_t size = 0;

  unsigned shard() const { return static_cast<unsigned char>(name.digest.bytes()[0]); }
  auto operator<=>(const GcCandidate&) const = default;
};

/// How old what must be to go, by the repository's clock when the run began. Immutable.
class GcAges {
 public:
  /// Throws what the backend throws.
  GcAges(Backend& backend, const GcOptions& options);

  Timestamp begun() const { return begun_; }
  bool mark_is_due(Timestamp made) const { return is_past(made, grace_); }
  bool trash_is_due(Timestamp taken_out) const { return is_past(taken_out, trash_); }
  bool object_is_due(Timestamp uploaded) const { return is_past(uploaded, unreferenced_); }
  bool upload_is_due(Timestamp written) const;
  /// True for an empty directory of the trash that its run must have given up.
  bool run_is_due(Timestamp made) const;
  Timestamp mark_end(Timestamp made) const { return plus_seconds(made, grace_.count()); }
  Timestamp trash_end(Timestamp taken_out) const { return plus_seconds(taken_out, trash_.count()); }

 private:
  bool is_past(Timestamp since, std::chrono::seconds age) const {
    return age.count() == 0 || plus_seconds(since, age.count()) <= begun_;
  }

  const std::chrono::seconds grace_, trash_, unreferenced_;
  const Timestamp begun_;
};

/// What gc knows of a repository before it changes anything, and learns on the way. Lists of
/// revisions ("HOST/LABEL/NAME") are sorted. One thread at a time.
class GcPlan {
 public:
  /// Nothing is read yet. All must outlive it.
  GcPlan(const Repository& repository, const GcOptions& options, const GcAges& ages,
         GcReport& report, const std::stop_token& stop);

  /// Reads everything and decides what is to go; counts in the report what was found. Changes
  /// nothing. Throws `corrupt`, `busy`, `refused` as `run_gc` does.
  void make();

  /// Lists the revisions again.
  RepositoryNames list_revisions();
  /// Reads those listed that are not known to be live yet, `but` excepted.
  void add_live(const std::vector<std::string>& but = {});

  SeenHeads seen;
  std::vector<std::string> revisions;     ///< as listed last
  std::vector<std::string> due_marks;     ///< of revisions that need not be there
  std::vector<RepoPath> doubtful;         ///< `RepositoryNames::doubtful`, at first
  std::vector<std::string> half_expired;  ///< an earlier run took the mark and left the head
  LiveSet live;
  ShardedSet<GcCandidate> candidates;
  Trash trash;

 private:
  void find_due_marks(const std::vector<Mark>& listed);
  void expect_first_shards();
  void expect_shards(int begin, int end);
  void find_candidates();
  bool is_ours(const ObjectName& name) const;
  void look_at_unreferenced(const ListedFile& file);
  void guard() const;

  const Repository& repository_;
  const GcOptions& options_;
  const GcAges& ages_;
  GcReport& report_;
  const std::stop_token stop_;
  std::vector<std::string> live_revisions_;
  bool is_complete_ = false;  // `RepositoryNames::is_complete`
  int shards_ahead_ = 0;  // listings of objects/ that are under way; 0: not worth it
};

}  // namespace reverse
