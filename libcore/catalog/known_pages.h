#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "libcore/catalog/cache_file.h"
#include "libcore/catalog/present_set.h"
#include "libcore/catalog/statements.h"

namespace reverse {

/// The pages of `source` in `file`, trusted where their run is one of `published`.
std::unique_ptr<PageCursor> read_pages(std::shared_ptr<CacheFile> file, const std::string& source,
                                       std::unordered_set<std::int64_t> published);

/// Changes to table `page` that are not written yet. One thread at a time.
class PendingPages {
 public:
  /// nullopt: no page begins there any more.
  void put(const std::string& source, const std::string& first, std::optional<KnownPage> page);
  /// No page begins in a range any more (`PresentSet::drop_pages`).
  void drop(const std::string& source, const std::string& from, const std::optional<std::string>& to);
  std::size_t size() const { return changes_.size() + dropped_.size(); }
  /// Writes and forgets them; for use in a transaction.
  void write(PresentStatements& statements, std::int64_t run);
  void clear();

 private:
  struct Range {
    std::string source, from;  // a key
    std::optional<std::string> to;
  };
  std::vector<Range> dropped_;
  std::map<std::pair<std::string, std::string>, std::optional<KnownPage>> changes_;  // by source and key of `first`
};

}  // namespace reverse
