#include "libcore/base/read_all.h"

#include "libcore/base/error.h"
#include "libcore/base/fd.h"

namespace reverse {

std::string read_all(int fd, std::string_view name, std::size_t limit) {
  std::string text;
  char block[64 << 10];
  while (std::size_t n = read_full(fd, block, sizeof block, name)) {
    text.append(block, n);
    if (text.size() > limit) fail(ErrorKind::io, "read '{}': more than {} bytes", name, limit);
  }
  return text;
}

}  // namespace reverse
