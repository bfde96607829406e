#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "libcore/hash/hasher.h"
#include "libcore/hash/md5_kernels.h"

namespace reverse {

/// Hashes the contents of a feed side by side with MD5 and, unless somebody else does, their check: one in each lane, the next
/// one as soon as a lane is free. As lanes become empty for good, narrower kernels take over.
/// One thread at a time.
class HashLanes {
 public:
  /// `checks` false: sums are without the check.
  explicit HashLanes(const Md5Machine& machine, bool checks = true);
  ~HashLanes();

  /// As `hash_feed` promises.
  void run(HashFeed& feed);

 private:
  class Stream;
  void fill(HashFeed& feed);
  void advance();
  void settle(HashFeed& feed);
  void start(HashJob& job);
  void finish(unsigned lane, HashFeed& feed);
  void free_lane(unsigned lane);

  const Md5Machine& machine_;
  const unsigned lanes_;
  const bool checks_;
  unsigned used_ = 0;  // lanes [0, used_) have a stream each
  Md5States states_;
  std::array<const unsigned char*, kMd5MaxLanes> at_;          // where a lane's next block is
  std::array<std::size_t, kMd5MaxLanes> blocks_;               // how many are there
  std::array<std::unique_ptr<Stream>, kMd5MaxLanes> streams_;  // kept for the next content
};

}  // namespace reverse
