#include "libcore/base/fd.h"

#include <fcntl.h>

#include <cerrno>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {

UniqueFd open_file(const std::string& path, int flags, unsigned mode) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) throw_errno(errno, fmt::format("open '{}'", path));
  return fd;
}

std::size_t read_full(int fd, char* to, std::size_t size, std::string_view name) {
  std::size_t got = 0;
  while (got < size) {
    ssize_t n = ::read(fd, to + got, size - got);
    if (n > 0) {
      got += static_cast<std::size_t>(n);
    } else if (n == 0) {
      break;
    } else if (errno != EINTR) {
      throw_errno(errno, fmt::format("read '{}'", printable(name)));
    }
  }
  return got;
}

void write_full(int fd, std::string_view bytes, std::string_view name) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno != EINTR) {
      throw_errno(errno, fmt::format("write '{}'", printable(name)));
    }
  }
}

std::string read_file(const std::string& path, std::size_t limit) {
  UniqueFd fd = open_file(path, O_RDONLY);
  std::string text;
  char block[16384];
  while (std::size_t n = read_full(fd.get(), block, sizeof block, path)) {
    text.append(block, n);
    if (text.size() > limit) fail(ErrorKind::io, "read '{}': more than {} bytes", path, limit);
  }
  return text;
}

void write_file(const std::string& path, std::string_view bytes, unsigned mode) {
  UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  write_full(fd.get(), bytes, path);
  if (::close(fd.release()) != 0) throw_errno(errno, fmt::format("close '{}'", path));
}

}  // namespace reverse
