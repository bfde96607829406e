#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "libcore/backend/backend.h"
#include "libcore/base/error.h"
#include "libcore/base/fd.h"

namespace reverse {

/// Makes bytes and names below one root durable, and remembers that it once failed: the kernel
/// reports a lost write only once and calls the pages clean afterwards, so that a second attempt
/// would prove nothing. From then on every call throws the first error again. Thread-safe.
class LocalSync {
 public:
  LocalSync(std::string root, Durability durability)
      : root_(std::move(root)), durability_(durability) {}

  /// Must come before the first write: a write-back error is reported to descriptors that were open
  /// when it happened. Does nothing while the root is absent.
  void begin();

  /// True if `sync_all` may stand for `sync_file` of each file. Constant after `begin`.
  bool can_sync_all() const { return can_sync_all_; }
  /// Makes everything on the root's file system durable.
  void sync_all();
  /// Makes one file's bytes durable. `path` is what an error calls it.
  void sync_file(int fd, const std::string& path);
  /// Makes the names in each directory (full paths) durable; a directory that is gone has none.
  void sync_directories(const std::set<std::string>& directories);

  /// False if nothing is to be made durable: then the calls above do nothing.
  bool durable() const { return durability_ != Durability::none; }

  /// A closed upload may keep its descriptor, for a cheap `sync_file` later, while this grants it;
  /// each grant is given back by `drop_descriptor`.
  bool may_keep_descriptor();
  void drop_descriptor() { --kept_; }
  /// How many descriptors are granted at a time; also the number of files from which one
  /// `sync_all` is cheaper than syncing each.
  static constexpr int kDescriptors = 64;

 private:
  void sync_directory(const std::string& directory);
  void throw_if_failed();
  [[noreturn]] void fail_for_good(int code, std::string_view act, const std::string& path);

  const std::string root_;
  const Durability durability_;
  std::atomic<int> kept_ = 0;
  std::atomic<bool> begun_ = false;
  std::atomic<bool> can_sync_all_ = false;
  UniqueFd root_fd_;       ///< only for syncfs: no path is ever resolved against it
  std::mutex sync_mutex_;  ///< one syncfs at a time: an error belongs to all who wait
  std::mutex failure_mutex_;
  std::optional<Error> failure_;
};

}  // namespace reverse
