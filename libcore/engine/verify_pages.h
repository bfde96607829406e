#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/engine/sharded_set.h"
#include "libcore/engine/verify_finding.h"
#include "libcore/store/page_scanner.h"
#include "libcore/store/repository.h"

namespace reverse {

/// A content as revisions refer to it.
struct Citation {
  ContentKey key;
  std::uint64_t size = 0;  ///< bytes
  std::uint32_t is_page = 0;

  unsigned shard() const { return key.shard(); }
  auto operator<=>(const Citation&) const = default;
};

/// Reads every distinct page below given roots once, strictly, level by level, and collects what
/// they refer to. Pages that cannot be read become findings, and what lies below them stays
/// unknown. Memory does not grow with the number of pages. One thread at a time; works with
/// several.
class PageSurvey {
 public:
  /// Gives a page's verified text; throws `not_found`, `corrupt`, `io`, or what ends the run.
  using Fetch = std::function<std::string(const Sums&)>;

  /// All must outlive it.
  PageSurvey(const Repository& repository, Fetch fetch, Findings& findings, std::stop_token stop);

  void add_root(const PageRef& root);
  void read();

  /// What lies in one shard, sorted.
  std::vector<Citation> citations(int shard) { return citations_.shard(shard); }
  std::uint64_t pages() const { return pages_; }
  unsigned levels() const { return static_cast<unsigned>(levels_.size()); }
  /// The distinct pages of a level in one shard, sorted.
  std::vector<PageLink> pages(unsigned level, int shard);

 private:
  struct KnownPage {
    PageLink link;
    unsigned shard() const { return link.key.shard(); }
    bool operator==(const KnownPage& other) const { return (*this <=> other) == 0; }
    std::strong_ordering operator<=>(const KnownPage& other) const;
  };
  using Pages = ShardedSet<KnownPage>;
  struct Below {
    std::vector<Citation> contents;
    std::vector<KnownPage> pages;
  };
  class Reader;

  void read_level(unsigned level);
  void read_batches(unsigned level, int& shard, const std::stop_token& stop);
  std::vector<KnownPage> next_batch(Pages& level, int& shard);
  void read_page(Reader& reader, const KnownPage& page, Below& below);

  const Repository& repository_;
  const Fetch fetch_;
  Findings& findings_;
  const std::stop_token stop_;
  std::mutex mutex_;  // guards what follows while a level is read
  std::vector<std::unique_ptr<Pages>> levels_;
  ShardedSet<Citation> citations_{24 << 20};
  std::uint64_t pages_ = 0;
};

/// What an error of fetching a page says of the page; nullopt: nothing.
std::optional<DamageKind> damage_of_page(const Error& error);

/// Says to a distant backend that these pages will be read now.
void expect_pages(const Repository& repository, const std::vector<PageLink>& pages);

}  // namespace reverse
