#pragma once

#include <cstddef>
#include <stop_token>
#include <vector>

#include "libcore/hash/digest.h"
#include "libcore/store/content_key.h"
#include "libcore/store/head.h"
#include "libcore/store/repository.h"

namespace reverse {

/// Contents that a published revision refers to, as far as they fit into some megabytes: a machine that has lost its
/// caches learns here which check belongs to which digest, instead of reading every object.
class CitedContents {
 public:
  /// Reads the tree of `head`, MD5 repositories only. A page that is damaged or gone ends it early: what is not learnt is
  /// read. Throws what the repository throws otherwise, and `Cancelled`.
  void learn(const Repository& repository, const Head& head, const std::stop_token& stop);
  /// True if the revision refers to exactly this content. Thread-safe after `learn`.
  bool has(const Sums& sums) const;

 private:
  static constexpr std::size_t kMost = 256 << 10;  // contents of 32 bytes
  std::vector<ContentKey> keys_;                   // sorted
};

}  // namespace reverse
