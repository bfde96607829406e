#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/base/queue.h"
#include "libcore/engine/item.h"
#include "libcore/engine/large_uploads.h"
#include "libcore/engine/repository_writer.h"
#include "libcore/scan/source_file.h"

namespace reverse {

/// The stage that reads files: hashes many of them at once, and stores what the repository lacks.
/// `submit` is for the scan's thread, `work` for any number of workers, `await` for the assembler's thread.
class ReadStage {
 public:
  /// `workers`: how many threads will call `work`. `most_together`: large files that one of them has open at a time.
  ReadStage(RepositoryWriter& writer, LargeUploads& uploads, DigestKind digest, Progress& progress, unsigned workers,
            unsigned most_together);
  /// Most files are stored already: large ones are hashed first, and read once more where that turns out wrong. Else they are
  /// hashed and uploaded in one pass. Before any work.
  void expect_stored() { probably_stored_ = true; }

  /// Queues a batch's files for reading; waits for room.
  void submit(const std::shared_ptr<Batch>& batch, const std::stop_token& stop);
  /// No more batches will come.
  void close() { tasks_.close(); }
  /// A worker's loop.
  void work(const std::stop_token& stop);
  /// Reads a stream into the repository, in the calling thread. An error of the stream is thrown.
  void read_stream(ByteSource& source, Content& content, const std::stop_token& stop);
  /// Waits until everything of `batch` was read.
  void await(const Batch& batch, const std::stop_token& stop);

 private:
  struct Task {
    std::shared_ptr<Batch> batch;
    std::vector<Item*> items;  // several small files; one large one; or none: large ones wait
  };
  struct LargeFile;
  class LargeFiles;
  void read_small(std::vector<Item*>& items, const std::stop_token& stop);
  bool load(Item& item, std::string& bytes, const std::stop_token& stop);
  void store_small(Item& item, const Sums& sums, ByteView bytes);
  bool reads_apart() const;
  std::size_t sharers() const;
  std::optional<Task> take_large(std::size_t held);
  void read_large(const std::stop_token& stop);
  void stream(LargeFile& large, const std::stop_token& stop);
  void begin(LargeFile& large, const std::stop_token& stop);
  bool end(LargeFile& large);
  bool read_again(LargeFile& large);
  void finish(Task& task);

  RepositoryWriter& writer_;
  LargeUploads& uploads_;
  DigestKind digest_;
  Progress& progress_;
  const unsigned workers_;
  const unsigned most_together_;
  bool probably_stored_ = false;
  BoundedQueue<Task> tasks_;  // one without items for each batch with large files
  std::mutex mutex_;          // guards what follows
  std::condition_variable_any finished_;
  std::deque<Task> large_;        // files that nobody has begun
  std::size_t large_begun_ = 0;   // and not ended
  unsigned hashing_ = 0;          // workers that are at large files
};

}  // namespace reverse
