#include "libcore/engine/cited_contents.h"

#include <algorithm>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/store/tree.h"

namespace reverse {

void CitedContents::learn(const Repository& repository, const Head& head, const std::stop_token& stop) {
  if (repository.info().digest != DigestKind::md5) return;
  try {
    TreeReader reader = repository.tree(head);
    while (keys_.size() < kMost) {
      throw_if_stopped(stop);
      std::optional<Entry> entry = reader.next();
      if (!entry) break;
      if (entry->digest && entry->check) keys_.push_back(ContentKey::of(*entry->digest, entry->check));
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::not_found) throw;
  }
  std::sort(keys_.begin(), keys_.end());
}

bool CitedContents::has(const Sums& sums) const {
  return sums.check && std::binary_search(keys_.begin(), keys_.end(), ContentKey::of(sums.digest, sums.check));
}

}  // namespace reverse
