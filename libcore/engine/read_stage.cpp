#include "libcore/engine/read_stage.h"

#include <algorithm>
#include <chrono>
#include <limits>
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

/// Hands on what it reads to an upload on the way, up to `limit` bytes. An error of the repository must not pass for one of
/// the source: it is kept apart, and ends the stream.
class Tee : public ByteSource {
 public:
  Tee(ByteSource& source, std::uint64_t limit, Upload& upload, Progress& progress, const std::stop_token& stop)
      : source_(source), left_(limit), upload_(upload), progress_(progress), stop_(stop) {}

  ByteView next() override {
    throw_if_stopped(stop_);
    if (left_ == 0) return {};
    ByteView chunk = source_.next().substr(0, left_);
    left_ -= chunk.size();
    if (!chunk.empty()) {
      try {
        upload_.write(chunk);
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
  Upload& upload_;
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

ReadStage::ReadStage(RepositoryWriter& writer, DigestKind digest, Progress& progress)
    : writer_(writer), digest_(digest), progress_(progress), tasks_(kQueuedTasks) {}

void ReadStage::submit(const std::shared_ptr<Batch>& batch, const std::stop_token& stop) {
  std::vector<Task> tasks;
  Task small{batch, {}};
  for (Item& item : batch->items) {
    if (!item.to_read) continue;
    if (item.source.status.size > kSmallFile)
      tasks.push_back({batch, {&item}});
    else
      small.items.push_back(&item);
  }
  if (!small.items.empty()) tasks.push_back(std::move(small));
  batch->pending = static_cast<unsigned>(tasks.size());
  for (Task& task : tasks) tasks_.push(std::move(task), stop);
}

void ReadStage::work(const std::stop_token& stop) {
  while (std::optional<Task> task = tasks_.pop(stop)) {
    if (task->items.size() == 1 && task->items.front()->source.status.size > kSmallFile)
      stream_large(*task->items.front(), stop);
    else
      read_small(task->items, stop);
    finish(*task);
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
  if (is_small)
    read_file_xattrs(*file, item);
  else
    stream(*file, item, stop);
  return is_small;
}

void ReadStage::store_small(Item& item, const Sums& sums, ByteView bytes) {
  item.content->sums = sums;
  progress_.bytes += bytes.size();
  writer_.put(sums, bytes);
}

// --- large files

void ReadStage::stream_large(Item& item, const std::stop_token& stop) {
  if (std::unique_ptr<SourceFile> file = open_source(item)) stream(*file, item, stop);
}

void ReadStage::stream(SourceFile& file, Item& item, const std::stop_token& stop) {
  Content& content = *item.content;
  for (int attempt = 1;; ++attempt) {
    std::unique_ptr<Upload> upload = writer_.create();
    // No more than it had when it was opened: a log may grow faster than it is read.
    Tee tee(file, content.status.size, *upload, progress_, stop);
    HashJob job;
    job.source = &tee;
    hash_many(digest_, {&job, 1});
    tee.rethrow_repository_error();
    try {
      if (job.error) std::rethrow_exception(job.error);
      content.changed = file.changed(item.stable_identity);
      if (content.changed && attempt < kAttempts && job.sums.size <= kRereadLimit) {
        begin_again(file, content);
        continue;
      }
    } catch (const Error& error) {
      return note_failure(content, "read", error);
    }
    content.sums = job.sums;
    writer_.put(job.sums, std::move(upload));
    break;
  }
  read_file_xattrs(file, item);
}

void ReadStage::read_stream(ByteSource& source, Content& content, const std::stop_token& stop) {
  std::unique_ptr<Upload> upload = writer_.create();
  Tee tee(source, std::numeric_limits<std::uint64_t>::max(), *upload, progress_, stop);
  HashJob job;
  job.source = &tee;
  hash_many(digest_, {&job, 1});
  tee.rethrow_repository_error();
  if (job.error) std::rethrow_exception(job.error);
  content.sums = job.sums;
  writer_.put(job.sums, std::move(upload));
}

}  // namespace reverse
