#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "libcore/engine/scratch_file.h"
#include "libcore/store/layout.h"

namespace reverse {

/// A set of small records of fixed size, in as many parts as a repository has shards: however many
/// there are, one part at a time is sorted in memory. Beyond `budget` bytes, records go to a
/// scratch file. `Record` is trivially copyable, ordered, and says `shard()`. Records that compare
/// equal are one, whichever it is. One thread at a time.
template <typename Record>
class ShardedSet {
  static_assert(std::is_trivially_copyable_v<Record>);

 public:
  explicit ShardedSet(std::size_t budget_bytes = 8 << 20) : budget_(budget_bytes) {}

  void add(const Record& record) {
    shards_[record.shard()].push_back(record);
    bytes_ += sizeof(Record);
    if (bytes_ > budget_) make_room();
  }

  /// All records of a shard, sorted, each once.
  std::vector<Record> shard(int index) {
    std::vector<Record> records = shards_[static_cast<std::size_t>(index)];
    for (const Spill& spill : spills_) {
      std::uint64_t begin = spill.ends[static_cast<std::size_t>(index)];
      std::uint64_t end = spill.ends[static_cast<std::size_t>(index) + 1];
      std::size_t before = records.size();
      records.resize(before + end - begin);
      scratch_.read(spill.offset + begin * sizeof(Record),
                    {reinterpret_cast<char*>(records.data() + before),
                     static_cast<std::size_t>(end - begin) * sizeof(Record)});
    }
    sort_once(records);
    return records;
  }

  void clear() {
    for (std::vector<Record>& records : shards_) records = {};
    spills_.clear();
    scratch_.clear();
    bytes_ = 0;
  }

 private:
  /// What went to the scratch file at one time: shard i has records [ends[i], ends[i + 1]).
  struct Spill {
    std::uint64_t offset = 0;
    std::array<std::uint64_t, layout::kShards + 1> ends{};
  };

  static void sort_once(std::vector<Record>& records) {
    std::sort(records.begin(), records.end());
    records.erase(std::unique(records.begin(), records.end()), records.end());
  }

  /// Repeated records go first; only if that is not enough, all go to the file.
  void make_room() {
    bytes_ = 0;
    for (std::vector<Record>& records : shards_) {
      sort_once(records);
      bytes_ += records.size() * sizeof(Record);
    }
    if (bytes_ > budget_ / 2) spill();
  }

  void spill() {
    Spill spill;
    spill.offset = scratch_.append({});
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      std::vector<Record> records = std::move(shards_[i]);
      shards_[i] = {};
      scratch_.append(
          {reinterpret_cast<const char*>(records.data()), records.size() * sizeof(Record)});
      spill.ends[i + 1] = spill.ends[i] + records.size();
    }
    spills_.push_back(spill);
    bytes_ = 0;
  }

  const std::size_t budget_;
  std::array<std::vector<Record>, layout::kShards> shards_;
  std::size_t bytes_ = 0;  // of the records in memory
  std::vector<Spill> spills_;
  ScratchFile scratch_;
};

}  // namespace reverse
