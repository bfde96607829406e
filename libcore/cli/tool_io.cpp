#include "libcore/cli/tool_io.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "libcore/base/error.h"

namespace reverse {
namespace {

constexpr std::size_t kBufferBytes = 64 << 10;

}  // namespace

void TextOut::write(ByteView bytes) {
  std::lock_guard lock(mutex_);
  if (buffer_.size() + bytes.size() > kBufferBytes) {
    send(std::exchange(buffer_, {}));
    if (bytes.size() > kBufferBytes) return send(bytes);
  }
  buffer_ += bytes;
}

void TextOut::flush() {
  std::lock_guard lock(mutex_);
  // Emptied first: text that cannot be written once is not tried again.
  send(std::exchange(buffer_, {}));
}

void TextOut::send(ByteView bytes) {
  if (bytes.empty() || reader_gone_) return;
  if (deliver(bytes)) return;
  reader_gone_ = true;
  throw Cancelled();
}

bool FdOut::deliver(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(std::size_t(written));
    } else if (errno == EPIPE) {
      on_reader_gone_();
      return false;
    } else if (errno != EINTR) {
      throw_errno(errno, "write to " + name_);
    }
  }
  return true;
}

void ProgressRequests::request() {
  std::lock_guard lock(mutex_);
  requested_ = true;
  changed_.notify_all();
}

ProgressRequests::Wake ProgressRequests::wait(std::chrono::steady_clock::time_point until,
                                              const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, stop, until, [&] { return requested_; });
  return std::exchange(requested_, false) ? Wake::requested : Wake::time;
}

}  // namespace reverse
