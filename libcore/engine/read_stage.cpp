#include "libcore/engine/read_stage.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <limits>
#include <list>
#include <thread>
#include <utility>

#include "libcore/hash/hasher.h"
#include "libcore/scan/source_file.h"

namespace reverse {

namespace {

constexpr std::uint64_t kSmallFile = 1 << 20;    // read into memory, hashed together with others
constexpr std::uint64_t kTaskBytes = 4 << 20;    // of small files in one task
constexpr std::uint64_t kRereadLimit = 64 << 20; // larger files that change while read are stored as read
constexpr int kAttempts = 3;
constexpr int kOpenAttempts = 10;
constexpr std::chrono::milliseconds kSettlingTime{25};  // longer than the grain that `SourceFile::changed` allows for
constexpr std::size_t kQueuedTasks = 64;

/// Hands on what it reads to a sink on the way, if there is one, up to `limit` bytes. An error of the repository must not pass for one of
/// the source: it is kept apart, and ends the stream.
class Tee : public ByteSource {
 public:
  Tee(ByteSource& source, std::uint64_t limit, ByteSink* repository, Progress& progress, const std::stop_token& stop)
      : source_(source), left_(limit), repository_(repository), progress_(progress), stop_(stop) {}

  ByteView next() override {
    throw_if_stopped(stop_);
    if (left_ == 0) return {};
    ByteView chunk = source_.next().substr(0, left_);
    left_ -= chunk.size();
    if (!chunk.empty()) {
      try {
        if (repository_ != nullptr) repository_->write(chunk);
      } catch (...) {
        repository_error_ = std::current_exception();
        return {};
      }
      progress_.bytes += chunk.size();
    }
    return chunk;
  }

  void rethrow_repository_error() const {
    if (repository_error_) std::rethrow_exception(repository_error_);
  }

 private:
  ByteSource& source_;
  std::uint64_t left_;
  ByteSink* repository_;
  Progress& progress_;
  const std::stop_token& stop_;
  std::exception_ptr repository_error_;
};

void note_failure(Content& content, const char* stage, const Error& error) {
  content.vanished = error.kind() == ErrorKind::not_found;
  content.stage = stage;
  content.error = error.what();
}

/// Whether another file of the same kind has taken the item's name since it was listed, as when editors save: then that one is
/// what is to be read. Not for names of a hard-link group, whose others are the file that was listed.
bool follow_replacement(Item& item) {
  FileStatus& listed = item.source.status;
  FileStatus found = file_status(item.source.directory->fd.get(), item.source.name(), item.source.path);
  if (item.entry.hardlink || found.type != FileType::file || found.uid != listed.uid || found.gid != listed.gid)
    return false;
  listed = found;
  return true;
}

std::unique_ptr<SourceFile> open_current(Item& item) {
  for (int attempt = 1;; ++attempt) {
    try {
      return std::make_unique<SourceFile>(item.source);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::changed || attempt == kOpenAttempts || !follow_replacement(item)) throw;
    }
  }
}

/// Opens the item's file and notes what is known from then on; nullptr if that failed.
std::unique_ptr<SourceFile> open_source(Item& item) {
  Content& content = *item.content;
  try {
    auto file = open_current(item);
    content.status = file->opened();
    return file;
  } catch (const Error& error) {
    note_failure(content, "open", error);
    return nullptr;
  }
}

/// Goes back to the beginning of a file that changed, a moment later.
void begin_again(SourceFile& file, Content& content) {
  std::this_thread::sleep_for(kSettlingTime);
  file.rewind();
  content.status = file.opened();
}

/// Reads a file into `bytes`, again if it changes meanwhile. False if it has grown too large for that since it was listed.
bool read_whole(SourceFile& file, Item& item, std::string& bytes) {
  Content& content = *item.content;
  for (int attempt = 1;; ++attempt) {
    if (content.status.size > kRereadLimit) return false;
    bytes.clear();
    bytes.reserve(content.status.size);
    for (ByteView chunk = file.next(); !chunk.empty(); chunk = file.next()) {
      bytes.append(chunk);
      if (bytes.size() > kRereadLimit) break;  // it grows while we look: what was read is stored and marked
    }
    content.changed = file.changed(item.stable_identity);
    if (!content.changed || attempt == kAttempts) return true;
    begin_again(file, content);
  }
}

void read_file_xattrs(const SourceFile& file, Item& item) {
  try {
    item.content->xattrs = read_xattrs(file.fd(), "", item.source.path);
  } catch (const Error& error) {
    item.problem_stage = "xattrs";
    item.problem = error.what();
  }
}

}  // namespace

/// A file on its way into an upload.
struct ReadStage::LargeFile {
  LargeFile(Item& of, std::unique_ptr<SourceFile> opened, bool is_probably_stored)
      : item(&of), file(std::move(opened)), hash_first(is_probably_stored) {}

  Task task;  // that it came with, if any
  Item* item;
  std::unique_ptr<SourceFile> file;
  std::unique_ptr<LargeUpload> upload;
  std::optional<Tee> tee;
  HashJob job;
  int attempts = 0;
  bool hash_first;  // it is probably stored: without an upload
};

ReadStage::ReadStage(RepositoryWriter& writer, LargeUploads& uploads, DigestKind digest, Progress& progress,
                     unsigned workers, unsigned most_together)
    : writer_(writer),
      uploads_(uploads),
      digest_(digest),
      progress_(progress),
      workers_(workers),
      most_together_(most_together),
      tasks_(kQueuedTasks) {}

void ReadStage::submit(const std::shared_ptr<Batch>& batch, const std::stop_token& stop) {
  Task small{batch, {}};
  std::vector<Task> large;
  for (Item& item : batch->items) {
    if (!item.to_read) continue;
    if (item.source.status.size > kSmallFile)
      large.push_back({batch, {&item}});
    else
      small.items.push_back(&item);
  }
  batch->pending = static_cast<unsigned>(large.size() + !small.items.empty());
  if (!small.items.empty()) tasks_.push(std::move(small), stop);
  if (large.empty()) return;
  {
    std::lock_guard lock(mutex_);
    std::move(large.begin(), large.end(), std::back_inserter(large_));
  }
  // As many calls as there can be workers for them: what one takes meanwhile, others need not find.
  for (std::size_t i = std::min<std::size_t>(workers_, large.size()); i > 0; --i) tasks_.push({}, stop);
}

void ReadStage::work(const std::stop_token& stop) {
  while (std::optional<Task> task = tasks_.pop(stop)) {
    if (task->items.empty()) {
      read_large(stop);
    } else {
      read_small(task->items, stop);
      finish(*task);
    }
  }
}

void ReadStage::finish(Task& task) {
  for (Item* item : task.items) item->source.directory.reset();  // lets the walk close it
  if (--task.batch->pending > 0) return;
  std::lock_guard lock(mutex_);
  finished_.notify_all();
}

void ReadStage::await(const Batch& batch, const std::stop_token& stop) {
  if (batch.pending == 0) return;
  std::unique_lock lock(mutex_);
  if (!finished_.wait(lock, stop, [&] { return batch.pending == 0; })) throw Cancelled();
}

// --- small files

void ReadStage::read_small(std::vector<Item*>& items, const std::stop_token& stop) {
  std::vector<std::string> contents;
  std::vector<Item*> loaded;
  std::uint64_t bytes = 0;
  auto store_loaded = [&] {
    std::vector<MemorySource> sources(contents.begin(), contents.end());
    std::vector<HashJob> jobs(contents.size());
    for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].source = &sources[i];
    hash_many(digest_, jobs);
    std::vector<Sums> sums;
    for (const HashJob& job : jobs) sums.push_back(job.sums);
    writer_.expect(sums);
    for (std::size_t i = 0; i < jobs.size(); ++i) store_small(*loaded[i], jobs[i].sums, contents[i]);
    contents.clear();
    loaded.clear();
    bytes = 0;
  };
  for (Item* item : items) {
    std::string content;
    if (!load(*item, content, stop)) continue;
    bytes += content.size();
    contents.push_back(std::move(content));
    loaded.push_back(item);
    if (bytes >= kTaskBytes) store_loaded();
  }
  store_loaded();
}

bool ReadStage::load(Item& item, std::string& bytes, const std::stop_token& stop) {
  std::unique_ptr<SourceFile> file = open_source(item);
  if (!file) return false;
  bool is_small = false;
  try {
    is_small = read_whole(*file, item, bytes);
  } catch (const Error& error) {
    note_failure(*item.content, "read", error);
    return false;
  }
  if (is_small) {
    read_file_xattrs(*file, item);
    return true;
  }
  LargeFile large(item, std::move(file), probably_stored_);
  stream(large, stop);
  return false;
}

void ReadStage::store_small(Item& item, const Sums& sums, ByteView bytes) {
  item.content->sums = sums;
  progress_.bytes += bytes.size();
  writer_.put(sums, bytes);
}

// --- large files

/// The large files that one worker reads side by side.
class ReadStage::LargeFiles : public HashFeed {
 public:
  LargeFiles(ReadStage& stage, const std::stop_token& stop) : stage_(stage), stop_(stop) {}

  HashJob* next() override {
    if (waiting_.empty()) take();
    if (waiting_.empty()) return nullptr;
    LargeFile& large = *waiting_.back();
    waiting_.pop_back();
    stage_.begin(large, stop_);
    return &large.job;
  }

  void done(HashJob& job) override {
    auto place = std::find_if(files_.begin(), files_.end(), [&](const LargeFile& one) { return &one.job == &job; });
    if (stage_.end(*place)) {
      leave(place->task);
      files_.erase(place);
    } else {
      waiting_.push_back(&*place);
    }
  }

 private:
  void take() {
    while (std::optional<Task> task = stage_.take_large(files_.size())) {
      Item& item = *task->items.front();
      if (std::unique_ptr<SourceFile> file = open_source(item)) {
        LargeFile& large = files_.emplace_back(item, std::move(file), stage_.probably_stored_);
        large.task = std::move(*task);
        return waiting_.push_back(&large);
      }
      leave(*task);
    }
  }

  void leave(Task& task) {
    {
      std::lock_guard lock(stage_.mutex_);
      --stage_.large_begun_;
    }
    stage_.finish(task);
  }

  ReadStage& stage_;
  const std::stop_token& stop_;
  std::list<LargeFile> files_;
  std::vector<LargeFile*> waiting_;  // those of them that are to be read (again)
};

/// Whether half of the workers hash while the others' cores read for them, which pays while all large files fit
/// into the lanes of that half. Not where they are uploaded on the way: one thread would then write them all.
bool ReadStage::reads_apart() const {
  return probably_stored_ && workers_ > 1 && large_.size() + large_begun_ <= std::size_t{workers_ + 1} / 2 * most_together_;
}

/// How many workers share the large files.
std::size_t ReadStage::sharers() const { return reads_apart() ? (workers_ + 1) / 2 : workers_; }

/// The next large file for a worker that holds `held`: its share of those there are.
std::optional<ReadStage::Task> ReadStage::take_large(std::size_t held) {
  std::lock_guard lock(mutex_);
  const std::size_t share = (large_.size() + large_begun_ + sharers() - 1) / sharers();
  if (large_.empty() || held >= std::min<std::size_t>(share, most_together_)) return std::nullopt;
  Task task = std::move(large_.front());
  large_.pop_front();
  ++large_begun_;
  return task;
}

void ReadStage::read_large(const std::stop_token& stop) {
  for (;;) {
    std::unique_lock lock(mutex_);
    if (large_.empty() || hashing_ >= sharers()) return;  // who is at it looks here again
    ++hashing_;
    const bool apart = reads_apart();
    lock.unlock();
    LargeFiles files(*this, stop);
    if (apart)
      hash_feed_read_apart(digest_, files);
    else
      hash_feed(digest_, files);
    lock.lock();
    --hashing_;
  }
}

void ReadStage::stream(LargeFile& large, const std::stop_token& stop) {
  do {
    begin(large, stop);
    hash_many(digest_, {&large.job, 1});
  } while (!end(large));
}

void ReadStage::begin(LargeFile& large, const std::stop_token& stop) {
  ++large.attempts;
  if (large.upload) std::exchange(large.upload, nullptr)->discard();
  if (!large.hash_first) large.upload = uploads_.begin(large.item->source.path, large.item->content->status);
  // No more than it had when it was opened: a log may grow faster than it is read.
  large.tee.emplace(*large.file, large.item->content->status.size, large.upload.get(), progress_, stop);
  large.job = {};
  large.job.source = &*large.tee;
}

/// It is not stored after all: from the beginning, into an upload. True if that fails.
bool ReadStage::read_again(LargeFile& large) {
  try {
    large.file->rewind();
  } catch (const Error& error) {
    note_failure(*large.item->content, "read", error);
    return true;
  }
  large.hash_first = false;
  large.attempts = 0;
  large.item->content->status = large.file->opened();
  progress_.bytes -= large.job.sums.size;
  return false;
}

/// What comes of a file that was hashed and uploaded; false if it is to be read once more.
bool ReadStage::end(LargeFile& large) {
  Content& content = *large.item->content;
  large.tee->rethrow_repository_error();
  try {
    if (large.job.error) std::rethrow_exception(large.job.error);
    content.changed = large.file->changed(large.item->stable_identity);
    if (content.changed && large.attempts < kAttempts && large.job.sums.size <= kRereadLimit) {
      begin_again(*large.file, content);
      return false;
    }
  } catch (const Error& error) {
    note_failure(content, "read", error);
    return true;
  }
  if (large.hash_first && !writer_.has(large.job.sums)) return read_again(large);
  content.sums = large.job.sums;
  if (large.upload) writer_.put(large.job.sums, large.upload->take());
  read_file_xattrs(*large.file, *large.item);
  return true;
}

void ReadStage::read_stream(ByteSource& source, Content& content, const std::stop_token& stop) {
  std::unique_ptr<Upload> upload = writer_.create();
  Tee tee(source, std::numeric_limits<std::uint64_t>::max(), upload.get(), progress_, stop);
  HashJob job;
  job.source = &tee;
  hash_many(digest_, {&job, 1});
  tee.rethrow_repository_error();
  if (job.error) std::rethrow_exception(job.error);
  content.sums = job.sums;
  writer_.put(job.sums, std::move(upload));
}

}  // namespace reverse
