#include "libcore/backend/sftp/command_answer.h"

#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"

namespace reverse::sftp {

void CommandAnswer::printed(ByteView bytes) {
  std::lock_guard lock(mutex_);
  printed_.append(bytes);
  changed_.notify_one();
}

void CommandAnswer::ended(CommandEnd end) {
  std::lock_guard lock(mutex_);
  end_ = std::move(end);
  changed_.notify_one();
}

void CommandAnswer::failed(std::exception_ptr failure) {
  std::lock_guard lock(mutex_);
  failure_ = std::move(failure);
  changed_.notify_one();
}

bool CommandAnswer::is_given_up() const {
  std::lock_guard lock(mutex_);
  return is_given_up_;
}

std::optional<std::string> CommandAnswer::next(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, stop, [this] { return !printed_.empty() || end_ || failure_; });
  if (!printed_.empty()) return std::exchange(printed_, {});
  if (!failure_ && !end_) throw_if_stopped(stop);
  if (!failure_) return std::nullopt;
  try {
    std::rethrow_exception(failure_);
  } catch (const Error& error) {
    throw Error(error);  // a copy: all who lost by one connection share the first
  }
}

void CommandAnswer::give_up() {
  std::lock_guard lock(mutex_);
  is_given_up_ = true;
}

}  // namespace reverse::sftp
