#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "libcore/store/head.h"

namespace reverse {

/// What happened to one name of a source.
enum class ItemAction {
  created,
  modified,
  unchanged,
  moved,
  vanished,
  changed_while_read,
  excluded,
  resumed,  ///< its upload goes on where an earlier run had to stop; the size is what is there
  deleted,  ///< from a restore's target, since the revision does not have it
};

/// Running counts of an operation, polled by whoever shows progress. Thread-safe.
struct Progress {
  std::atomic<std::uint64_t> files{0};        ///< done
  std::atomic<std::uint64_t> bytes{0};        ///< done: of files, read or known
  std::atomic<std::uint64_t> bytes_sent{0};   ///< written to the repository, or restored
  std::atomic<std::uint64_t> errors{0};
  std::atomic<std::uint64_t> total_files{0};  ///< expected; 0: unknown
  std::atomic<std::uint64_t> total_bytes{0};
};

/// Receives what an operation has to tell while it runs. Called from several threads at once.
class Observer {
 public:
  virtual ~Observer() = default;

  /// Something the user should know that concerns the whole run.
  virtual void warning(const std::string& message) = 0;
  /// Something only an attentive user wants to know (`-v`, or a dry run's plan).
  virtual void item(ItemAction action, const std::string& path, std::uint64_t size) = 0;
  /// A restore left this existing file as it was, since it differs and nothing allowed replacing it.
  virtual void kept(const std::string& path) = 0;
  /// One item failed; the run goes on.
  virtual void problem(const Problem& problem) = 0;

  Progress progress;
};

}  // namespace reverse
