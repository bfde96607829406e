#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "libcore/backend/remote_shell.h"

namespace reverse::sftp {

/// What a command prints and how it ends, on the way from the connection's thread to the one that
/// waits for it. Thread-safe.
class CommandAnswer {
 public:
  // For the connection's thread.
  void printed(ByteView bytes);
  void ended(CommandEnd end);
  void failed(std::exception_ptr failure);
  /// Nobody waits any more.
  bool is_given_up() const;

  // For who waits.
  /// What was printed meanwhile, at least a byte; nullopt once there is no more. Throws why it
  /// failed, `Cancelled`.
  std::optional<std::string> next(const std::stop_token& stop);
  /// Once `next` gave nullopt.
  const CommandEnd& end() const { return *end_; }
  void give_up();

 private:
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  std::string printed_;
  std::optional<CommandEnd> end_;
  std::exception_ptr failure_;
  bool is_given_up_ = false;
};

}  // namespace reverse::sftp
