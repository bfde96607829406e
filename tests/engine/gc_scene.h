#pragma once

#include <string>
#include <vector>

#include "libcore/engine/gc.h"
#include "tests/engine/client.h"
#include "tests/engine/in_memory.h"
#include "tests/engine/medium.h"
#include "tests/engine/tree_facts.h"
#include "tests/support/temp_tree.h"

namespace reverse {

/// Runs gc; `observer`, if given, holds what it told.
GcReport collect(Backend& backend, const GcOptions& options, RecordingObserver* observer = nullptr);
GcReport collect(const Site& site, const GcOptions& options);
/// Everything that may go goes at once, the guard waived: `--grace 0 --allow mass-gc`.
GcOptions at_once();

/// Marks a revision as one that may go; takes the mark back.
void forget(const Site& site, const std::string& revision);
void unforget(const Place& place, const std::string& revision);
bool is_marked(const Place& place, const std::string& revision);

/// Makes all that is in the repository older by so many hours, as its own clock tells.
void age(const Place& place, int hours);

/// Paths of the files below `directory` of the repository, sorted.
std::vector<std::string> files_below(const Place& place, const std::string& directory);
/// Where a content lies as an object, relative to the repository.
std::string object_of(const std::string& content);
/// Puts the object of `content` into the trash of gc's run `run`, as one that was killed then leaves
/// it; `copied`: a copy, which stays in objects/ too.
enum class Trashed { moved, copied };
void put_into_trash(const Site& site, const std::string& run, const std::string& content,
                    Trashed how = Trashed::moved);
bool has_object(const Place& place, const std::string& content);

/// Gives a file, which may be read-only, another content.
void replace_file(const std::string& path, const std::string& content);

/// Trees by the revision that was made of them.
using RevisionTrees = std::map<std::string, TreeFacts>;

/// Every revision of the repository restores to the tree it was made of, and is one of `expected`.
void check_all_restore(const Site& site, const RevisionTrees& expected);
/// What must hold when a run of gc at once has come to its end: nothing in the trash, no mark, no
/// closed gate left over, and in objects/ exactly what revisions refer to.
void check_clean(const Site& site);

/// A source, its repository, and its machine. Each version of the source has contents of its own
/// and some that all versions share. `S`: `Place`, or `Medium` where very many trials are made.
template <typename S>
struct VersionsAt {
  VersionsAt() { write(0); }
  void write(int version);
  /// Writes the next version and backs it up; returns the revision.
  std::string back_up(int version);
  void check_all_restore() const { reverse::check_all_restore(place, expected); }

  TempTree source = in_memory<TempTree>();
  S place;
  Client client;
  RevisionTrees expected;
};
using Versions = VersionsAt<Place>;
using VersionsInMemory = VersionsAt<Medium>;

/// A copy of a repository and of what a machine knows of it, to try one interruption on.
template <typename S>
struct TrialAt {
  explicit TrialAt(const VersionsAt<S>& versions);
  /// Backs up the source as it is now, and takes note of what the revision must hold.
  void back_up();
  void check_all_restore() const { reverse::check_all_restore(place, expected); }

  const TempTree& source;
  S place;
  Client client;
  RevisionTrees expected;
};
using Trial = TrialAt<Place>;
using TrialInMemory = TrialAt<Medium>;

/// Runs `act` in a process of its own, which is killed at its call `n` to the repository if it comes
/// to that.
void run_killed(const Place& place, std::uint64_t n, const std::function<void(Backend&)>& act);
/// The same in memory and without a process: what the repository sees of a death. The connection of
/// the dead is handed back; what it left is there while that lives.
[[nodiscard]] std::unique_ptr<FaultBackend> run_killed(const Medium& medium, std::uint64_t n,
                                                       const std::function<void(Backend&)>& act);

/// The calls to its repository that gc makes for `versions`, in order: "list objects/ab", …
template <typename S>
std::vector<std::string> calls_of_gc(const VersionsAt<S>& versions, const GcOptions& options);
/// The numbers of those calls at which an interruption is worth a try: all, but of the many shards
/// that are listed alike only a few. `step`: 2 for every second of them, and so on; of these, those that
/// the stride leaves.
template <typename S>
std::vector<std::uint64_t> moments_of_gc(const VersionsAt<S>& versions, const GcOptions& options,
                                         std::size_t step = 1);

}  // namespace reverse
