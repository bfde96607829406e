#include "libcore/scan/listing.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>

namespace reverse {

namespace {

/// Names hold no NUL, so zero padding keeps the order.
std::uint64_t key_of(std::string_view name) {
  std::uint64_t key = 0;
  for (std::size_t i = 0; i < 8; ++i)
    key = key << 8 | (i < name.size() ? static_cast<unsigned char>(name[i]) : 0);
  return key;
}

}  // namespace

void Listing::add(std::string_view name, unsigned char type) {
  names_.push_back({key_of(name), text_.size(), static_cast<std::uint16_t>(name.size()), type});
  text_.append(name).push_back('\0');
}

void Listing::sort() {
  std::ranges::sort(names_, [this](const Name& a, const Name& b) {
    return a.key != b.key ? a.key < b.key : view(a) < view(b);
  });
  auto again = std::unique(names_.begin(), names_.end(),
                           [this](const Name& a, const Name& b) { return view(a) == view(b); });
  names_.erase(again, names_.end());
}

bool Listing::contains(std::string_view name) const {
  return std::ranges::binary_search(names_, name, {}, [this](const Name& n) { return view(n); });
}

void Listing::keep_only(std::string_view name) {
  std::erase_if(names_, [&](const Name& n) { return view(n) != name; });
}

int read_listing(int fd, char* buffer, std::size_t buffer_size, Listing& listing,
                 std::size_t most) {
  for (;;) {
    ssize_t got = ::getdents64(fd, buffer, buffer_size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) break;
    for (ssize_t at = 0; at < got;) {
      const auto* found = reinterpret_cast<const dirent64*>(buffer + at);
      at += found->d_reclen;
      std::string_view name = found->d_name;
      if (name != "." && name != "..") listing.add(name, found->d_type);
    }
    if (listing.size() > most) return EFBIG;
  }
  listing.sort();
  return 0;
}

}  // namespace reverse
