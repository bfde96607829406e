#pragma once

#include <atomic>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/base/queue.h"
#include "libcore/catalog/catalog.h"
#include "libcore/engine/observer.h"

namespace reverse {

/// The stage that writes to the catalog, in batches. The catalog is a cache: where it cannot be written, the user is
/// told once and the backup goes on.
class CatalogStage {
 public:
  CatalogStage(Catalog& catalog, Observer& observer);

  /// Hands over one row; waits for room. One thread.
  void put(FileRow row, const std::stop_token& stop);
  /// No more rows will come; call from the thread that calls `put`.
  void close();
  /// The writing thread's loop.
  void run(const std::stop_token& stop);
  /// Writes what is still queued, after a stop too: each row is true by itself and saves reading a file again.
  /// Only when no other thread uses the stage any more; so is `finish`.
  void drain();
  /// After the revision is published: drops rows of files that are gone and notes what was seen of the source.
  void finish(const SourceRow& source);

 private:
  template <typename Write>
  void attempt(Write write);

  Catalog& catalog_;
  Observer& observer_;
  BoundedQueue<std::vector<FileRow>> batches_;
  std::vector<FileRow> open_;  // of the putting thread
  std::atomic<bool> failed_{false};
};

}  // namespace reverse
