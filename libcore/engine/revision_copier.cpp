#include "libcore/engine/revision_copier.h"

#include <algorithm>

#include "libcore/base/stop.h"
#include "libcore/base/units.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/object_copies.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr std::size_t kAhead =
    256;  // pages, or contents, that a distant source is asked for at once
constexpr std::size_t kSideBySide = 32;            // small contents that are hashed together
constexpr std::uint64_t kBytesSideBySide = 1 << 20;  // of them
constexpr std::size_t kMostObstacles = 100;  // that are kept
constexpr unsigned kNearThreads = 2;
constexpr unsigned kFarThreads = 8;
constexpr std::uint64_t kInMemory = 4 << 20;  // bytes of a content that is hashed before it is sent

unsigned threads_for(const RevisionCopier::Parts& parts) {
  auto is_near = [](const Repository* repository) {
    return !repository || repository->backend().traits().cheap_stat;
  };
  return is_near(&parts.source) && is_near(parts.target) ? kNearThreads : kFarThreads;
}

/// Tells an error of the target's sink from one of the source.
class TargetSink : public ByteSink {
 public:
  TargetSink(ByteSink& sink, std::atomic<std::uint64_t>& sent) : sink_(sink), sent_(sent) {}
  void write(ByteView bytes) override {
    has_failed_ = true;
    sink_.write(bytes);
    has_failed_ = false;
    sent_ += bytes.size();
  }
  bool has_failed() const { return has_failed_; }

 private:
  ByteSink& sink_;
  std::atomic<std::uint64_t>& sent_;
  bool has_failed_ = false;
};

/// Errors that say nothing about one content.
bool ends_the_run(const Error& error, bool is_targets) {
  if (is_targets) return error.kind() != ErrorKind::unsupported;
  return error.retryable() || error.kind() == ErrorKind::internal;
}

Sums sums_of(const Entry& entry) {
  return {*entry.digest, entry.check, entry.size};
}

bool has_content(const Entry& entry) {
  return entry.type == FileType::file && entry.digest.has_value();
}

}  // namespace

bool CopiedTree::has(Obstacle::Kind kind) const {
  return std::any_of(obstacles.begin(), obstacles.end(),
                     [&](const Obstacle& obstacle) { return obstacle.kind == kind; });
}

RevisionCopier::RevisionCopier(const Parts& parts)
    : parts_(parts), pool_(kAhead / kSideBySide) {}

void RevisionCopier::start(Pipeline& pipeline) {
  pool_.start(pipeline, threads_for(parts_));
}

CopiedTree RevisionCopier::copy(const Head& head) {
  copied_ = {};
  pages_.clear();
  if (parts_.kind == parts_.source.info().digest)
    copy_pages(head.tree);
  else
    translate(head);
  submit_small();
  pool_.wait();
  if (parts_.translations) parts_.translations->save();
  if (copied_.is_whole()) secured_.insert(pages_.begin(), pages_.end());
  return std::move(copied_);
}

// --- the same digest: pages as they are, level by level

void RevisionCopier::copy_pages(const PageRef& root) {
  copied_.root = root;
  std::vector<PageRef> level{root};
  while (!level.empty()) {
    std::vector<PageRef> below;
    for (std::size_t i = 0; i < level.size(); ++i) {
      if (i % kAhead == 0) expect(level, i);
      copy_page(level[i], below);
    }
    level = std::move(below);
  }
}

void RevisionCopier::expect(const std::vector<PageRef>& level, std::size_t begin) const {
  if (parts_.source.backend().traits().cheap_stat) return;
  std::vector<Expected> pages;
  for (std::size_t i = begin; i < std::min(begin + kAhead, level.size()); ++i)
    if (!secured_.contains(ContentKey::of(level[i].page, level[i].check)))
      pages.push_back({object_path({level[i].page, std::nullopt}), false, level[i].size});
  parts_.source.backend().expect(pages);
}

void RevisionCopier::copy_page(const PageRef& ref, std::vector<PageRef>& below) {
  const ContentKey key = ContentKey::of(ref.page, ref.check);
  if (secured_.contains(key)) return;
  pages_.push_back(key);
  try {
    const std::string text = read_page(ref);
    Page page = parse_page(ref, text, parts_.kind);
    send(ref.sums(), ref.first, [&text](ByteSink& sink) { sink.write(text); });
    for (const Entry& entry : page.entries)
      if (has_content(entry)) copy_content(sums_of(entry), entry.path);
    std::move(page.pages.begin(), page.pages.end(), std::back_inserter(below));
  } catch (const ContentError& failure) {
    add_source_error(ref.sums(), ref.first, failure.error);
  }
}

/// A partial copy leaves out pages that the repository it was made for has.
std::string RevisionCopier::read_page(const PageRef& ref) const {
  try {
    return parts_.source.read_object(ref.sums());
  } catch (const Error& error) {
    if (ends_the_run(error, false)) throw;
    const bool may_lie_there =
        parts_.source.is_partial() && parts_.target && error.kind() == ErrorKind::not_found;
    if (!may_lie_there) throw ContentError{error, false};
  }
  try {
    return parts_.target->read_object(ref.sums());
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::corrupt) throw;
    throw ContentError{error, false};
  }
}

void RevisionCopier::copy_content(const Sums& sums, const std::string& path) {
  if (parts_.copies.has(sums)) return;
  parts_.progress.total_files++;
  parts_.progress.total_bytes += sums.size;
  if (sums.size <= kSmallObject) return copy_small({sums, path});
  parts_.source.expect_object(sums);
  pool_.submit([this, sums, path] {
    send_from_source(sums, sums, path);
    count(sums);
  });
}

void RevisionCopier::copy_small(Content content) {
  small_bytes_ += content.sums.size;
  small_.push_back(std::move(content));
  if (small_.size() >= kSideBySide || small_bytes_ >= kBytesSideBySide) submit_small();
}

void RevisionCopier::submit_small() {
  if (small_.empty()) return;
  for (const Content& content : small_) parts_.source.expect_object(content.sums);
  small_bytes_ = 0;
  const auto contents = std::make_shared<const std::vector<Content>>(std::exchange(small_, {}));
  pool_.submit([this, contents] { send_small(*contents); });
}

void RevisionCopier::count(const Sums& sums) {
  parts_.progress.files++;
  parts_.progress.bytes += sums.size;
}

// --- sending

void RevisionCopier::send_small(const std::vector<Content>& contents) {
  std::vector<Sums> wanted;
  for (const Content& content : contents) wanted.push_back(content.sums);
  const auto texts = read_small_objects(parts_.source, wanted);
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const Content& content = contents[i];
    if (texts[i])
      send_content(content.sums, content.sums, content.path,
                   [&text = *texts[i]](ByteSink& sink) { sink.write(text); });
    else
      send_from_source(content.sums, content.sums, content.path);
    count(content.sums);
  }
}

void RevisionCopier::send_from_source(const Sums& from, const Sums& to, const std::string& path) {
  send_content(from, to, path, [&](ByteSink& sink) { parts_.source.read_object(from, sink); });
}

/// `fill` writes the content `from` of the source, which is `to` in the target.
void RevisionCopier::send_content(const Sums& from, const Sums& to, const std::string& path,
                                  const CopyTarget::Fill& fill) {
  try {
    send(to, path, [&](ByteSink& sink) {
      TargetSink target(sink, parts_.progress.bytes_sent);
      try {
        fill(target);
      } catch (const Error& error) {
        if (ends_the_run(error, target.has_failed())) throw;
        throw ContentError{error, target.has_failed()};
      }
    });
  } catch (const ContentError& failure) {
    if (failure.is_targets)
      add_obstacle({Obstacle::Kind::too_large, from, path,
                    fmt::format("{} are too large for the target: {}", format_bytes(to.size),
                                failure.error.what())});
    else
      add_source_error(from, path, failure.error);
  }
}

void RevisionCopier::send(const Sums& sums, const std::string& path, const CopyTarget::Fill& fill) {
  switch (parts_.copies.put(sums, path, fill)) {
    case CopyTarget::Put::needless:
      return;
    case CopyTarget::Put::refused:
      return add_obstacle({Obstacle::Kind::postponed, sums, path, "no more may be sent"});
    case CopyTarget::Put::too_large:
      return add_obstacle({Obstacle::Kind::too_large, sums, path,
                           fmt::format("{} are more than may be sent", format_bytes(sums.size))});
    case CopyTarget::Put::sent:
      std::lock_guard lock(mutex_);
      ++copied_.objects;
      copied_.bytes += sums.size;
  }
}

void RevisionCopier::add_source_error(const Sums& sums, const std::string& path,
                                      const Error& error) {
  const bool lies_elsewhere = parts_.source.is_partial() && error.kind() == ErrorKind::not_found;
  add_obstacle({lies_elsewhere ? Obstacle::Kind::elsewhere : Obstacle::Kind::damaged, sums, path,
                error.what()});
}

void RevisionCopier::add_obstacle(Obstacle obstacle) {
  std::lock_guard lock(mutex_);
  if (copied_.obstacle_count++ < kMostObstacles) copied_.obstacles.push_back(std::move(obstacle));
}

// --- another digest: everything is hashed anew

void RevisionCopier::translate(const Head& head) {
  TreeReader reader = parts_.source.tree(head);
  TreeWriter writer(parts_.kind);
  const PageSink pages = [this](const PageRef& ref, const std::string& text) {
    send(ref.sums(), ref.first, [&text](ByteSink& sink) { sink.write(text); });
  };
  std::vector<Entry> batch;
  bool is_whole = true;
  try {
    for (std::optional<Entry> entry = reader.next(); entry; entry = reader.next()) {
      batch.push_back(std::move(*entry));
      if (batch.size() < kAhead) continue;
      is_whole &= translate_batch(batch);
      for (const Entry& translated : batch)
        if (is_whole) writer.add(translated, pages);
      batch.clear();
    }
  } catch (const Error& error) {  // a page of the source
    if (ends_the_run(error, false)) throw;
    return add_source_error(head.tree.sums(), "", error);
  }
  is_whole &= translate_batch(batch);
  if (!is_whole) return;
  for (const Entry& translated : batch) writer.add(translated, pages);
  copied_.root = writer.finish(pages);
}

/// Gives the entries the target's digests; false if some content is not to be had.
bool RevisionCopier::translate_batch(std::vector<Entry>& batch) {
  std::vector<Entry*> to_read;
  for (Entry& entry : batch)
    if (has_content(entry) && !is_translated(entry)) to_read.push_back(&entry);
  for (const Entry* entry : to_read) parts_.source.expect_object(sums_of(*entry));
  for (Entry* entry : to_read) pool_.submit([this, entry] { translate_content(*entry); });
  pool_.wait();
  std::lock_guard lock(mutex_);
  return copied_.is_whole();
}

/// Gives the entry the target's digest if the content was hashed before and is there. What must be
/// sent is hashed anew all the same: memory names nothing in a repository.
bool RevisionCopier::is_translated(Entry& entry) const {
  if (!parts_.translations) return false;
  const std::optional<Sums> known = parts_.translations->find(sums_of(entry));
  if (!known || !parts_.copies.has(*known)) return false;
  entry.digest = known->digest;
  entry.check = known->check;
  return true;
}

void RevisionCopier::translate_content(Entry& entry) {
  const Sums from = sums_of(entry);
  HashSink hashes(parts_.kind);
  StringSink text(kInMemory);
  const bool is_small = from.size <= kInMemory;
  try {
    if (is_small) {
      parts_.source.read_object(from, text);
      hashes.write(text.text);
    } else {
      parts_.source.read_object(from, hashes);
    }
  } catch (const Error& error) {
    if (ends_the_run(error, false)) throw;
    return add_source_error(from, entry.path, error);
  }
  const Sums to = hashes.finish();
  if (parts_.translations) parts_.translations->note(from, to);
  if (is_small)
    send(to, entry.path, [&](ByteSink& sink) { sink.write(text.text); });
  else
    send_from_source(from, to, entry.path);
  entry.digest = to.digest;
  entry.check = to.check;
}

}  // namespace reverse
