#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "libcore/backend/sftp/server.h"

namespace reverse::sftp {

/// Small files and directories that are read before somebody asks for them. Bounded memory: what is
/// too much is not fetched, what nobody asked for makes room. Thread-safe.
class Prefetch {
 public:
  /// What was found, once.
  struct Found {
    std::optional<Reply> failure;  ///< never a lost reply
    std::string data;              ///< of a file
    std::vector<NameEntry> names;  ///< of a directory
  };

  explicit Prefetch(const Server& server) : server_(server) {}
  /// Waits for what is under way.
  ~Prefetch();

  /// Begins to fetch, unless that is under way. `size`: of a file in bytes; 0 if unknown.
  void begin(const std::string& full, bool is_directory, std::uint64_t size);
  /// What was fetched; waits for it. nullopt if nothing was, or if it has to be read in the usual
  /// way (large files, a lost connection).
  std::optional<Found> take(const std::string& full);

 private:
  class Fetch;
  struct Kept {
    std::shared_ptr<Fetch> fetch;
    std::uint64_t weight = 0;
  };
  bool make_room(std::uint64_t weight);

  const Server& server_;
  std::mutex mutex_;  // guards what follows
  std::map<std::string, Kept> kept_;
  std::deque<std::string> order_;  // oldest first; some taken already
  std::uint64_t weight_ = 0;
};

}  // namespace reverse::sftp
