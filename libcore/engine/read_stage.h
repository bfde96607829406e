#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/base/queue.h"
#include "libcore/engine/item.h"
#include "libcore/engine/repository_writer.h"
#include "libcore/scan/source_file.h"

namespace reverse {

/// The stage that reads files: hashes them, many at once where they are small, and stores what the repository lacks.
/// `submit` is for the scan's thread, `work` for any number of workers, `await` for the assembler's thread.
class ReadStage {
 public:
  ReadStage(RepositoryWriter& writer, DigestKind digest, Progress& progress);

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
    std::vector<Item*> items;  // several small files, or one large one
  };
  void read_small(std::vector<Item*>& items, const std::stop_token& stop);
  bool load(Item& item, std::string& bytes, const std::stop_token& stop);
  void store_small(Item& item, const Sums& sums, ByteView bytes);
  void stream_large(Item& item, const std::stop_token& stop);
  void stream(SourceFile& file, Item& item, const std::stop_token& stop);
  void finish(Task& task);

  RepositoryWriter& writer_;
  DigestKind digest_;
  Progress& progress_;
  BoundedQueue<Task> tasks_;
  std::mutex mutex_;
  std::condition_variable_any finished_;
};

}  // namespace reverse
