#include "libcore/engine/live_set.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <tuple>

#include "libcore/base/error.h"
#include "libcore/base/pipeline.h"
#include "libcore/base/stop.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr std::size_t kBatchPages = 128;  // taken at once, or a shard's
constexpr std::size_t kMaxPageBytes = 16 << 20;
constexpr std::size_t kBatchReferences = 1 << 14;  // found between two visits
constexpr unsigned kLocalReaders = 4;  // more than there are cores: disks are slow at small files
constexpr unsigned kMaxReaders = 4;

bool is_content_of(std::string_view text, const PageLink& link, DigestKind kind) {
  if (text.size() != link.size) return false;
  if (kind == DigestKind::md5) return check_of(text) == link.key.check();
  return hash_bytes(kind, text).digest == link.key.digest(kind);
}

/// Errors that say nothing about what is in the repository.
bool is_about_the_way(const Error& error) {
  return error.retryable() || error.kind() == ErrorKind::no_space ||
         error.kind() == ErrorKind::internal;
}

}  // namespace

std::strong_ordering LiveSet::Page::operator<=>(const Page& other) const {
  auto identity = [](const PageLink& page) {
    return std::tie(page.key, page.level, page.size, page.entries, page.first_hash);
  };
  return identity(link) <=> identity(other.link);
}

/// Reads pages for one thread.
class LiveSet::Reader {
 public:
  explicit Reader(const Repository& repository)
      : repository_(repository), kind_(repository.info().digest), scanner_(kind_) {}

  /// Says what will be read now.
  void expect(const std::vector<Page>& pages) const {
    if (repository_.backend().traits().cheap_stat) return;
    std::vector<Expected> expected;
    for (const Page& page : pages) expected.push_back({path_of(page.link), false, page.link.size});
    repository_.backend().expect(expected);
  }

  /// Reads a page, and checks that it is what refers to it says.
  const PageContent& read(const PageLink& link) {
    std::string text = text_of(link);
    return with_context("page " + link.key.digest(kind_).hex(), [&]() -> const PageContent& {
      const PageContent& content = scanner_.scan(text, link.level);
      if (content.entries != link.entries || content.first_hash != link.first_hash)
        fail(ErrorKind::corrupt, "does not hold the entries that the reference to it names");
      return content;
    });
  }

 private:
  RepoPath path_of(const PageLink& link) const {
    return object_path({link.key.digest(kind_), std::nullopt});
  }

  std::string text_of(const PageLink& link) const {
    try {
      std::string text = read_small_file(repository_.backend(), path_of(link), kMaxPageBytes);
      if (is_content_of(text, link, kind_)) return text;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::corrupt) throw;
    }
    return repository_.read_object(link.sums(kind_));  // everywhere else it may lie
  }

  const Repository& repository_;
  const DigestKind kind_;
  PageScanner scanner_;
};

void LiveSet::add(const std::vector<Root>& roots) {
  std::uint32_t top = 0;
  for (const Root& root : roots) top = std::max(top, root.page.level);
  std::vector<std::unique_ptr<Pages>> levels;
  for (std::uint32_t i = 0; i <= top; ++i) levels.push_back(std::make_unique<Pages>());
  for (const Root& root : roots) {
    auto index = static_cast<std::uint32_t>(revisions_.size());
    revisions_.push_back(root.revision);
    levels[root.page.level]->add({root.page, index});
  }
  for (std::uint32_t level = top + 1; level-- > 0;) {
    read_level(*levels[level], level > 0 ? levels[level - 1].get() : nullptr);
    levels[level]->clear();
  }
}

void LiveSet::read_level(Pages& level, Pages* below) {
  const BackendTraits& traits = repository_.backend().traits();
  unsigned readers =
      traits.cheap_stat ? kLocalReaders : std::clamp(traits.connections, 1u, kMaxReaders);
  int shard = 0;  // the next
  Pipeline pipeline(stop_);
  auto read = [&] { read_batches(level, below, shard, pipeline.stop_token()); };
  for (unsigned i = 1; i < readers; ++i) pipeline.start(read);
  pipeline.run_here(read);
  pipeline.wait();
}

/// Pages of the next shards that no earlier call has read; they count as read from now on. Empty
/// at the level's end.
std::vector<LiveSet::Page> LiveSet::next_batch(Pages& level, int& shard) {
  std::lock_guard lock(mutex_);
  std::vector<Page> batch;
  for (; batch.size() < kBatchPages && shard < layout::kShards; ++shard) {
    std::vector<Page> wanted = level.shard(shard);
    if (wanted.empty()) continue;
    std::vector<Page> before = read_.shard(shard);
    std::set_difference(wanted.begin(), wanted.end(), before.begin(), before.end(),
                        std::back_inserter(batch));
  }
  for (const Page& page : batch) {
    read_.add(page);
    contents_.add(page.link.key);
  }
  pages_read_ += batch.size();
  return batch;
}

void LiveSet::read_batches(Pages& level, Pages* below, int& shard, const std::stop_token& stop) {
  Reader reader(repository_);
  std::vector<ContentKey> contents;
  std::vector<Page> children;
  auto hand_over = [&] {
    std::lock_guard lock(mutex_);
    for (const ContentKey& content : contents) contents_.add(content);
    for (const Page& child : children) below->add(child);
    contents.clear();
    children.clear();
  };
  auto take_batch = [&] {
    std::vector<Page> batch = next_batch(level, shard);
    reader.expect(batch);
    return batch;
  };
  std::vector<Page> batch = take_batch();
  while (!batch.empty()) {
    std::vector<Page> next = take_batch();  // is on its way while this one is parsed
    for (const Page& page : batch) {
      throw_if_stopped(stop);
      read_page(reader, page, contents, children);
      if (contents.size() + children.size() >= kBatchReferences) hand_over();
    }
    batch = std::move(next);
  }
  hand_over();
}

void LiveSet::read_page(Reader& reader, const Page& page, std::vector<ContentKey>& contents,
                        std::vector<Page>& children) const {
  try {
    const PageContent& content = reader.read(page.link);
    contents.insert(contents.end(), content.contents.begin(), content.contents.end());
    for (const PageLink& child : content.pages) children.push_back({child, page.root});
  } catch (const Error& error) {
    fail_page(page, error);
  }
}

void LiveSet::fail_page(const Page& page, const Error& error) const {
  if (is_about_the_way(error)) throw Error(error);
  const std::string& revision = revisions_[page.root];
  if (!repository_.backend().stat(layout::head(revision)))
    fail(ErrorKind::busy, "{} was removed while it was read: run again", revision);
  fail(ErrorKind::corrupt, "{}: {}", revision, error.what());
}

bool refers_to(const std::vector<ContentKey>& live, const ObjectName& name) {
  ContentKey key = ContentKey::of(name);
  auto place = std::lower_bound(live.begin(), live.end(), key);
  if (place == live.end()) return false;
  // Which of several contents with one MD5 has the plain name is not known.
  bool stands_for_all = !name.variant && name.digest.kind() == DigestKind::md5;
  return stands_for_all ? place->view().substr(0, 16) == name.digest.bytes() : *place == key;
}

}  // namespace reverse
