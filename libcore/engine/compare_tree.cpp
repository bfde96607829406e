#include "libcore/engine/compare_tree.h"

#include <fcntl.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/base/pipeline.h"
#include "libcore/base/queue.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/hash/hasher.h"
#include "libcore/scan/source_file.h"
#include "libcore/scan/walk.h"

namespace reverse {

namespace {

constexpr std::size_t kBatchItems = 32;          // their directories stay open meanwhile
constexpr std::uint64_t kBatchBytes = 16 << 20;  // of files to be read; a larger one by itself
constexpr std::size_t kWindow = 8;               // batches between the walk and what is told

/// One path: what is known of it, or what is to be read.
struct Item {
  std::optional<TreeDifference> difference;
  std::optional<Problem> problem;
  std::optional<SourceEntry> to_read;
  Sums expected;                // of `to_read`
  bool has_same_time = false;   // and nothing changed it while it was backed up
  bool was_read = false;
};

struct Batch {
  std::vector<Item> items;
  std::uint64_t bytes = 0;
  bool is_done = false;
};

/// Counts what is read, and stops where that is asked for.
class CountingSource : public ByteSource {
 public:
  CountingSource(SourceFile& file, Progress& progress, const std::stop_token& stop)
      : file_(file), progress_(progress), stop_(stop) {}
  ByteView next() override {
    throw_if_stopped(stop_);
    ByteView chunk = file_.next();
    progress_.bytes += chunk.size();
    return chunk;
  }

 private:
  SourceFile& file_;
  Progress& progress_;
  const std::stop_token& stop_;
};

/// Reads files and compares them with what they were. Thread-safe.
class ContentComparison {
 public:
  ContentComparison(DigestKind kind, Observer& observer) : kind_(kind), observer_(observer) {}

  void compare(Batch& batch, const std::stop_token& stop) {
    std::vector<Open> open;
    for (Item& item : batch.items)
      if (item.to_read) begin(item, open);
    std::vector<CountingSource> sources;
    sources.reserve(open.size());
    for (Open& each : open) sources.emplace_back(*each.file, observer_.progress, stop);
    std::vector<HashJob> jobs(open.size());
    for (std::size_t i = 0; i < open.size(); ++i) jobs[i].source = &sources[i];
    hash_many(kind_, jobs);
    for (std::size_t i = 0; i < open.size(); ++i) judge(*open[i].item, *open[i].file, jobs[i], stop);
    for (Item& item : batch.items) item.to_read.reset();  // lets the walk close its directory
  }

 private:
  struct Open {
    Item* item;
    std::unique_ptr<SourceFile> file;
  };

  static void begin(Item& item, std::vector<Open>& open) {
    try {
      open.push_back({&item, std::make_unique<SourceFile>(*item.to_read)});
    } catch (const Error& error) {
      note_failure(item, error);
    }
  }

  /// What vanished or was replaced since it was listed has changed; all else could not be read.
  static void note_failure(Item& item, const Error& error) {
    if (error.kind() == ErrorKind::not_found)
      item.difference->kind = Difference::missing;
    else if (error.kind() == ErrorKind::changed)
      item.difference->kind = Difference::changed;
    else
      item.problem = Problem{item.difference->path, "read", error.what()};
    if (item.problem) item.difference.reset();
  }

  void judge(Item& item, SourceFile& file, HashJob& job, const std::stop_token& stop) {
    try {
      if (job.error) std::rethrow_exception(job.error);
      item.was_read = true;
      if (job.sums == item.expected) return item.difference.reset();
      const bool is_rotten = item.has_same_time && !file.changed() && is_still_wrong(item, file, stop);
      if (is_rotten) item.difference->kind = Difference::rotten;
    } catch (const Error& error) {
      note_failure(item, error);
    }
  }

  /// From the medium this time: memory may have deceived us. Where it has, that is told.
  bool is_still_wrong(Item& item, SourceFile& file, const std::stop_token& stop) {
    ::posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED);
    file.rewind();
    CountingSource source(file, observer_.progress, stop);
    HashJob job;
    job.source = &source;
    hash_many(kind_, {&job, 1});
    if (job.error) std::rethrow_exception(job.error);
    if (job.sums != item.expected) return true;
    observer_.warning(fmt::format(
        "'{}' was read wrong once and is right: this machine's memory is not to be trusted",
        printable(item.difference->path)));
    item.difference.reset();
    return false;
  }

  const DigestKind kind_;
  Observer& observer_;
};

/// The revision's side, the tree's side, and what comes of each pair.
class TreeComparison : public WalkVisitor {
 public:
  TreeComparison(const CompareDeps& deps, const Head& head, std::string path, std::string directory)
      : deps_(deps),
        path_(std::move(path)),
        directory_(std::move(directory)),
        contents_(deps.repository.info().digest, deps.observer),
        tree_(deps.repository.tree(head)),
        queue_(kWindow),
        batch_(std::make_shared<Batch>()) {}

  CompareReport run();

  void entry(SourceEntry entry, const std::optional<std::string>& list_error) override;
  void skipped(const std::string& path, SkipReason reason, const std::string& detail) override;
  void failed(const std::string& path, bool vanished, const std::string& error) override;

 private:
  // The revision's side of the merge.
  void begin_tree();
  void next_entry();
  void pass_entries_before(const std::string& path);
  bool is_unknown(const std::string& path) const {
    return unknown_below_ && is_below(path, *unknown_below_);
  }
  std::string path_of(const SourceEntry& entry) const { return joined(entry.path); }
  std::string joined(const std::string& relative) const;
  // Deciding.
  void compare(const Entry& before, SourceEntry now, const std::string& path);
  void compare_files(const Entry& before, SourceEntry now);
  void add_difference(Difference kind, const std::string& path, std::uint64_t size,
                      const std::optional<Digest>& digest = std::nullopt);
  void add_problem(const std::string& path, const char* stage, const std::string& error);
  void add(Item item, std::uint64_t bytes = 0);
  // Batches.
  void emit_batch();
  void work(const std::stop_token& stop);
  void settle_oldest(const std::stop_token& stop);
  void settle(Item& item);

  const CompareDeps& deps_;
  const std::string path_, directory_;
  ContentComparison contents_;
  TreeReader tree_;
  std::optional<Entry> entry_;  // not passed yet
  std::optional<std::string> unknown_below_;  // what lies there was not looked at
  CompareReport report_;
  std::stop_token stop_;
  BoundedQueue<std::shared_ptr<Batch>> queue_;
  std::shared_ptr<Batch> batch_;
  std::deque<std::shared_ptr<Batch>> window_;
  std::mutex mutex_;  // guards `Batch::is_done`
  std::condition_variable_any done_;
};

CompareReport TreeComparison::run() {
  begin_tree();
  Pipeline pipeline(deps_.stop);
  stop_ = pipeline.stop_token();
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
    pipeline.start([this] { work(stop_); });
  pipeline.run_here([this] {
    Filter filter(directory_);
    walk(directory_, {}, filter, *this, stop_);
    for (; entry_; next_entry())
      if (!is_unknown(entry_->path))
        add_difference(Difference::missing, entry_->path, entry_->size, entry_->digest);
    emit_batch();
    queue_.close();
    while (!window_.empty()) settle_oldest(stop_);
  });
  pipeline.wait();
  return report_;
}

// --- the revision's side of the merge

void TreeComparison::begin_tree() {
  if (!path_.empty()) tree_.seek(path_);
  entry_ = tree_.next();
  if (!entry_ || entry_->path != path_ || entry_->type != FileType::directory)
    fail(ErrorKind::not_found, "'{}' is no directory of that revision", printable(path_));
}

void TreeComparison::next_entry() {
  entry_ = tree_.next();
  if (entry_ && !is_below(entry_->path, path_)) entry_.reset();
}

void TreeComparison::pass_entries_before(const std::string& path) {
  for (; entry_ && compare_paths(entry_->path, path) < 0; next_entry())
    if (!is_unknown(entry_->path))
      add_difference(Difference::missing, entry_->path, entry_->size, entry_->digest);
}

/// The path in the revision of a path in the tree.
std::string TreeComparison::joined(const std::string& relative) const {
  if (path_.empty() || relative.empty()) return path_ + relative;
  return path_ + "/" + relative;
}

// --- the walk's side

void TreeComparison::entry(SourceEntry now, const std::optional<std::string>& list_error) {
  const std::string path = path_of(now);
  pass_entries_before(path);
  const bool is_inside_unknown = is_unknown(path);
  std::optional<Entry> before;
  if (entry_ && entry_->path == path) {
    before = std::move(entry_);
    next_entry();
  }
  if (list_error) {
    add_problem(path, "list", *list_error);
    unknown_below_ = path;
  }
  if (before)
    compare(*before, std::move(now), path);
  else if (!is_inside_unknown)
    add_difference(Difference::added, path, now.status.size);
}

void TreeComparison::skipped(const std::string& relative, SkipReason, const std::string& detail) {
  const std::string path = joined(relative);
  pass_entries_before(path);
  unknown_below_ = path;
  if (entry_ && is_below(entry_->path, path))
    deps_.observer.warning(fmt::format("'{}' was not gone into ({}): what the revision has below it is "
                                       "not compared",
                                       printable(path), detail));
}

void TreeComparison::failed(const std::string& relative, bool vanished, const std::string& error) {
  if (vanished) return;  // its entry, if there is one, is passed as missing
  const std::string path = joined(relative);
  pass_entries_before(path);
  unknown_below_ = path;
  add_problem(path, "stat", error);
}

// --- deciding

void TreeComparison::compare(const Entry& before, SourceEntry now, const std::string& path) {
  if (before.type == FileType::repository && now.status.type == FileType::directory) {
    unknown_below_ = path;  // its content is not part of the revision
  } else if (before.type != now.status.type) {
    add_difference(Difference::retyped, path, before.size, before.digest);
  } else if (before.type == FileType::symlink && before.target != now.target) {
    add_difference(Difference::changed, path, 0);
  } else if (before.type == FileType::file) {
    compare_files(before, std::move(now));
  }
}

void TreeComparison::compare_files(const Entry& before, SourceEntry now) {
  if (!before.digest)
    return add_problem(before.path, "compare",
                       "the revision has no content of it: " + before.error);
  if (before.size != now.status.size)
    return add_difference(Difference::changed, before.path, before.size, before.digest);
  Item item;
  item.difference = TreeDifference{Difference::changed, before.path, before.size, before.digest};
  item.expected = {*before.digest, before.check, before.size};
  item.has_same_time = before.mtime == now.status.mtime && !before.changed;
  item.to_read = std::move(now);
  add(std::move(item), before.size);
}

void TreeComparison::add_difference(Difference kind, const std::string& path, std::uint64_t size,
                                    const std::optional<Digest>& digest) {
  Item item;
  item.difference = TreeDifference{kind, path, size, digest};
  add(std::move(item));
}

void TreeComparison::add_problem(const std::string& path, const char* stage,
                                 const std::string& error) {
  Item item;
  item.problem = Problem{path, stage, error};
  add(std::move(item));
}

// --- batches

void TreeComparison::add(Item item, std::uint64_t bytes) {
  if (!batch_->items.empty() && batch_->bytes + bytes > kBatchBytes) emit_batch();
  batch_->items.push_back(std::move(item));
  batch_->bytes += bytes;
  if (batch_->items.size() >= kBatchItems) emit_batch();
}

void TreeComparison::emit_batch() {
  if (batch_->items.empty()) return;
  while (window_.size() >= kWindow) settle_oldest(stop_);
  window_.push_back(batch_);
  queue_.push(std::exchange(batch_, std::make_shared<Batch>()), stop_);
}

void TreeComparison::work(const std::stop_token& stop) {
  while (std::optional<std::shared_ptr<Batch>> batch = queue_.pop(stop)) {
    contents_.compare(**batch, stop);
    std::lock_guard lock(mutex_);
    (*batch)->is_done = true;
    done_.notify_all();
  }
}

void TreeComparison::settle_oldest(const std::stop_token& stop) {
  std::shared_ptr<Batch> batch = std::move(window_.front());
  window_.pop_front();
  {
    std::unique_lock lock(mutex_);
    if (!done_.wait(lock, stop, [&] { return batch->is_done; })) throw Cancelled();
  }
  for (Item& item : batch->items) settle(item);
}

void TreeComparison::settle(Item& item) {
  ++deps_.observer.progress.files;
  if (item.problem) {
    ++report_.not_compared;
    deps_.observer.problem(*item.problem);
    return;
  }
  if (item.was_read) {
    ++report_.files;
    report_.bytes += item.expected.size;
  }
  if (!item.difference) return;
  switch (item.difference->kind) {
    case Difference::rotten: ++report_.rotten; break;
    case Difference::changed: ++report_.changed; break;
    case Difference::missing: ++report_.missing; break;
    case Difference::added: ++report_.added; break;
    case Difference::retyped: ++report_.retyped; break;
  }
  deps_.tell(*item.difference);
}

}  // namespace

CompareReport compare_tree(const CompareDeps& deps, const Head& head, const std::string& path,
                           const std::string& directory) {
  return TreeComparison(deps, head, path, directory).run();
}

}  // namespace reverse
