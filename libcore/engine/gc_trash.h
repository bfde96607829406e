#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "libcore/base/timestamp.h"
#include "libcore/engine/sharded_set.h"
#include "libcore/store/repository.h"

namespace reverse {

/// An object in the trash.
struct TrashedObject {
  ObjectName name;
  std::uint32_t run = 0;   ///< index into `Trash::runs`
  std::uint64_t size = 0;  ///< bytes

  unsigned shard() const { return static_cast<unsigned char>(name.digest.bytes()[0]); }
  auto operator<=>(const TrashedObject&) const = default;
};

/// One directory of the trash.
struct TrashRun {
  std::string name;
  Timestamp changed;     ///< when a name last came or went: nothing in it was taken out later
  bool is_used = false;  ///< something was listed in it
};

/// What is left of a revision in the trash: its head or its mark.
struct TrashedRemains {
  std::string name;
  std::uint32_t run = 0;
};

/// A run's own directory of the trash, made when something is first moved there. One thread at a
/// time.
class TakeOut {
 public:
  explicit TakeOut(Backend& backend);

  const std::string& run() const { return run_; }
  /// Something, wherever it lies, and the name that it gets in that directory.
  struct Item {
    RepoPath from;
    std::string name;
  };
  /// Renames all; true for those that were there. Gives up the reserve if the disk is full.
  std::vector<bool> move(std::span<const Item> items);
  /// G4: takes an object out. False if it is not there (any more).
  bool take_out(const ObjectName& name);
  /// True once there was anything to move.
  bool has_begun() const { return is_made_; }

 private:
  Backend& backend_;
  const std::string run_;
  bool is_made_ = false;
};

/// True if a content with these sums may lie under `name`.
bool fits_name(const Sums& sums, const ObjectName& name);

enum class PutBack {
  done,     ///< back in objects/
  damaged,  ///< its content is not what its name says, or cannot be read; it was not moved
  gone,     ///< no longer there, or its name in objects/ is taken by now
};

/// Hashes the object `name` that lies at `from` and, if it is whole, moves it to objects/. `sums`,
/// if given, get what its content has.
PutBack put_back(const Repository& repository, const RepoPath& from, const ObjectName& name,
                 Sums* sums = nullptr);

/// What a listing of trash/ found. Foreign names are left out: they are never touched.
class Trash {
 public:
  explicit Trash(const Repository& repository) : repository_(repository) {}

  /// Lists the trash anew.
  void list();
  /// Adds an object that a dry run only would have taken out at `now`.
  void add_planned(const ObjectName& name, std::uint64_t size, Timestamp now);

  std::vector<TrashedObject> shard(int index) { return objects_.shard(index); }
  const std::vector<TrashRun>& runs() const { return runs_; }
  const std::vector<TrashedRemains>& remains() const { return remains_; }
  /// Revisions whose mark lies in the trash and whose head does not, sorted: whoever took the mark
  /// may have died before it moved the head.
  std::vector<std::string> half_expired() const;

  /// When the object, or what is left of a revision, was taken out, at the latest.
  template <typename Trashed>
  Timestamp taken_out(const Trashed& trashed) const {
    return runs_[trashed.run].changed;
  }
  RepoPath path(const TrashedObject& object) const;
  RepoPath path(const TrashedRemains& remains) const;

  /// `put_back` below; what is damaged goes to bad/, where readers look last.
  PutBack put_back(const TrashedObject& object);

 private:
  void list_run(std::uint32_t index);

  const Repository& repository_;
  std::vector<TrashRun> runs_;
  std::vector<TrashedRemains> remains_;
  ShardedSet<TrashedObject> objects_;
};

}  // namespace reverse
