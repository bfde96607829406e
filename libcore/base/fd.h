#pragma once

#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace reverse {

/// Owns one file descriptor. Movable; closes what it replaces.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

/// Opens `path` (O_CLOEXEC added). Throws the errno's kind: "open 'PATH': …".
UniqueFd open_file(const std::string& path, int flags, unsigned mode = 0);

/// Reads up to `size` bytes, going on after EINTR and short reads; less only at end of file.
/// `name` is what an error calls the file.
std::size_t read_full(int fd, char* to, std::size_t size, std::string_view name);

/// Writes all of `bytes`, going on after EINTR and short writes.
void write_full(int fd, std::string_view bytes, std::string_view name);

/// The whole of a small file. Throws `io` if it holds more than `limit` bytes.
std::string read_file(const std::string& path, std::size_t limit = 64u << 20);

/// Creates or replaces `path` with `bytes`; not atomic, not durable (scratch files, caches, tests).
void write_file(const std::string& path, std::string_view bytes, unsigned mode = 0600);

}  // namespace reverse
