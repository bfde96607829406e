#pragma once

#include <cstdint>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/engine/sharded_set.h"
#include "libcore/store/page_scanner.h"
#include "libcore/store/repository.h"

namespace reverse {

/// A revision, and where its tree begins.
struct Root {
  std::string revision;  ///< "HOST/LABEL/NAME"
  PageLink page;
};

/// Everything that revisions refer to: their pages, and the contents of their files. Each distinct
/// page is read once, however many revisions share it; level by level and in the order of their
/// names, so that equal references meet. One thread at a time; works with several.
class LiveSet {
 public:
  /// `repository` must outlive it.
  LiveSet(const Repository& repository, std::stop_token stop)
      : repository_(repository), stop_(std::move(stop)) {}

  /// Adds what `roots` refer to. Throws `corrupt` for a page that is missing, damaged or unknown
  /// (the message names a revision that needs it), `busy` if such a revision has been removed
  /// meanwhile, `Cancelled`.
  void add(const std::vector<Root>& roots);

  /// What lies in one shard, sorted.
  std::vector<ContentKey> shard(int index) { return contents_.shard(index); }
  bool empty() const { return pages_read_ == 0; }
  std::uint64_t distinct_pages() const { return pages_read_; }

 private:
  struct Page {
    PageLink link;
    std::uint32_t root = 0;  ///< one of those that refer to it; says nothing about identity

    unsigned shard() const { return link.key.shard(); }
    bool operator==(const Page& other) const { return (*this <=> other) == 0; }
    std::strong_ordering operator<=>(const Page& other) const;
  };
  using Pages = ShardedSet<Page>;
  class Reader;

  void read_level(Pages& level, Pages* below);
  void read_batches(Pages& level, Pages* below, int& shard, const std::stop_token& stop);
  void read_page(Reader& reader, const Page& page, std::vector<ContentKey>& contents,
                 std::vector<Page>& children) const;
  std::vector<Page> next_batch(Pages& level, int& shard);
  [[noreturn]] void fail_page(const Page& page, const Error& error) const;

  const Repository& repository_;
  const std::stop_token stop_;
  std::vector<std::string> revisions_;  // by `Page::root`
  std::mutex mutex_;                    // guards what follows while a level is read
  ShardedSet<ContentKey> contents_{16 << 20};
  Pages read_;
  std::uint64_t pages_read_ = 0;
};

/// True if `live`, the sorted keys of the object's shard, hold a content that may lie under `name`.
bool refers_to(const std::vector<ContentKey>& live, const ObjectName& name);

}  // namespace reverse
