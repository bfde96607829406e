#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "libcore/engine/sharded_set.h"
#include "libcore/engine/verify_prover.h"

namespace reverse {

/// The objects to be read, those verified longest ago first, those never verified before all. One
/// thread fills it; then `next` is thread-safe. Memory does not grow with their number.
class Agenda {
 public:
  /// `minutes`: how many objects were verified in each minute (`VerifiedSet::minutes`).
  explicit Agenda(const std::map<std::int64_t, std::uint64_t>& minutes);

  /// `part` is filled in.
  void add(DueObject object);
  std::uint64_t objects() const { return objects_; }
  std::uint64_t bytes() const { return bytes_; }

  /// The next few, in order. Empty at the end.
  std::vector<DueObject> next(const ProofBatch& batch);

  /// Of those that `next` did not give: how many were never verified, and the first minute in which
  /// one of the others was.
  std::uint64_t never_left();
  std::optional<std::int64_t> oldest_left();

 private:
  const DueObject* peek();

  std::vector<std::int64_t> ends_;  // the first minute that is not in part i
  ShardedSet<DueObject> never_, known_;
  std::uint64_t objects_ = 0, bytes_ = 0, never_count_ = 0;

  std::mutex mutex_;  // guards what follows
  int part_ = 0;      // the next: of `never_`, then of `known_`
  std::vector<DueObject> loaded_;
  std::size_t at_ = 0;
};

}  // namespace reverse
