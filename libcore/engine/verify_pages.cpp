#include "libcore/engine/verify_pages.h"

#include <algorithm>
#include <tuple>

#include "libcore/base/error.h"
#include "libcore/base/pipeline.h"
#include "libcore/base/stop.h"
#include "libcore/store/page_rules.h"

namespace reverse {

namespace {

constexpr std::size_t kBatchPages = 128;  // read between two visits to the shared sets
constexpr unsigned kMaxReaders = 4;

}  // namespace

std::optional<DamageKind> damage_of_page(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::not_found:
      return DamageKind::missing;
    case ErrorKind::io:
      return DamageKind::unreadable;
    case ErrorKind::corrupt:
      return DamageKind::digest;
    default:
      return std::nullopt;
  }
}

void expect_pages(const Repository& repository, const std::vector<PageLink>& pages) {
  for (const PageLink& page : pages) repository.expect_object(page.sums(repository.info().digest));
}

std::strong_ordering PageSurvey::KnownPage::operator<=>(const KnownPage& other) const {
  auto identity = [](const PageLink& page) {
    return std::tie(page.key, page.level, page.size, page.entries, page.first_hash);
  };
  return identity(link) <=> identity(other.link);
}

/// Parses pages for one thread.
class PageSurvey::Reader {
 public:
  explicit Reader(DigestKind kind) : kind_(kind), entries_(kind) {}

  /// The page's items. Throws `corrupt`.
  Page parse(const PageLink& link, std::string_view text) {
    Sums sums = link.sums(kind_);
    PageRef ref{sums.digest, sums.check, sums.size, link.level, link.entries, ""};
    ref.first = first_path(link, text);
    if (PageLink::of(ref).first_hash != link.first_hash)
      fail(ErrorKind::corrupt, "page {}: does not begin where the reference to it says",
           ref.page.hex());
    return parse_page(ref, text, kind_);
  }

 private:
  /// The link has only a hash of it.
  std::string first_path(const PageLink& link, std::string_view text) {
    if (!text.starts_with(kPageHeader))
      fail(ErrorKind::corrupt, "page {}: not a page of this format", link.key.digest(kind_).hex());
    std::string_view line = text.substr(kPageHeader.size());
    line = line.substr(0, line.find('\n'));
    return with_context(fmt::format("page {} line 2", link.key.digest(kind_).hex()), [&] {
      if (link.level == 0) return entries_.parse(line).path;
      if (!line.starts_with("- ")) fail(ErrorKind::corrupt, "not a reference");
      return parse_page_ref(line.substr(2), kind_).first;
    });
  }

  const DigestKind kind_;
  EntryParser entries_;
};

PageSurvey::PageSurvey(const Repository& repository, Fetch fetch, Findings& findings,
                       std::stop_token stop)
    : repository_(repository),
      fetch_(std::move(fetch)),
      findings_(findings),
      stop_(std::move(stop)) {}

void PageSurvey::add_root(const PageRef& root) {
  while (levels_.size() <= root.level) levels_.push_back(std::make_unique<Pages>());
  levels_[root.level]->add({PageLink::of(root)});
}

void PageSurvey::read() {
  for (unsigned level = levels(); level-- > 0;) read_level(level);
}

std::vector<PageLink> PageSurvey::pages(unsigned level, int shard) {
  std::vector<PageLink> links;
  for (const KnownPage& page : levels_[level]->shard(shard)) links.push_back(page.link);
  return links;
}

void PageSurvey::read_level(unsigned level) {
  unsigned readers = std::clamp(repository_.backend().traits().connections, 1u, kMaxReaders);
  int shard = 0;  // the next
  Pipeline pipeline(stop_);
  auto read = [&] { read_batches(level, shard, pipeline.stop_token()); };
  for (unsigned i = 1; i < readers; ++i) pipeline.start(read);
  pipeline.run_here(read);
  pipeline.wait();
}

/// The pages of the next shards; they count as read. Empty at the level's end.
std::vector<PageSurvey::KnownPage> PageSurvey::next_batch(Pages& level, int& shard) {
  std::lock_guard lock(mutex_);
  std::vector<KnownPage> batch;
  for (; batch.size() < kBatchPages && shard < layout::kShards; ++shard) {
    std::vector<KnownPage> pages = level.shard(shard);
    batch.insert(batch.end(), pages.begin(), pages.end());
  }
  for (const KnownPage& page : batch) citations_.add({page.link.key, page.link.size, 1});
  pages_ += batch.size();
  return batch;
}

void PageSurvey::read_batches(unsigned level, int& shard, const std::stop_token& stop) {
  Reader reader(repository_.info().digest);
  Below below;
  for (std::vector<KnownPage> batch = next_batch(*levels_[level], shard); !batch.empty();
       batch = next_batch(*levels_[level], shard)) {
    std::vector<PageLink> links;
    for (const KnownPage& page : batch) links.push_back(page.link);
    expect_pages(repository_, links);
    for (const KnownPage& page : batch) {
      throw_if_stopped(stop);
      read_page(reader, page, below);
    }
    std::lock_guard lock(mutex_);
    for (const Citation& content : below.contents) citations_.add(content);
    for (const KnownPage& page : below.pages) levels_[level - 1]->add(page);
    below = {};
  }
}

void PageSurvey::read_page(Reader& reader, const KnownPage& page, Below& below) {
  Finding finding{page.link.key, page.link.size, DamageKind::page, true, false, true};
  bool is_fetched = false;
  try {
    std::string text = fetch_(page.link.sums(repository_.info().digest));
    is_fetched = true;
    Page content = reader.parse(page.link, text);
    for (const Entry& entry : content.entries)
      if (entry.digest)
        below.contents.push_back({ContentKey::of(*entry.digest, entry.check), entry.size, 0});
    for (const PageRef& child : content.pages) below.pages.push_back({PageLink::of(child)});
  } catch (const Error& error) {
    std::optional<DamageKind> kind = damage_of_page(error);
    if (!kind) throw;
    if (!is_fetched) finding.kind = *kind;
    findings_.add(finding);
  }
}

}  // namespace reverse
