#include "libcore/base/random.h"

#include <sys/random.h>

#include <cerrno>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {
namespace {

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t done = 0; done < count;) {
    const ssize_t got = ::getrandom(bytes.data() + done, count - done, 0);
    if (got < 0 && errno != EINTR) throw_errno(errno, "getrandom");
    if (got > 0) done += std::size_t(got);
  }
  return bytes;
}

}  // namespace

std::string random_hex(std::size_t bytes) {
  return to_hex(random_bytes(bytes));
}

std::string random_uuid() {
  std::string bytes = random_bytes(16);
  bytes[6] = char((bytes[6] & 0x0f) | 0x40);  // RFC 9562: version 4
  bytes[8] = char((bytes[8] & 0x3f) | 0x80);  // and its variant
  std::string uuid = to_hex(bytes);
  for (const std::size_t at : {8, 13, 18, 23}) uuid.insert(at, 1, '-');
  return uuid;
}

}  // namespace reverse
