#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <optional>

#include "libcore/hash/digest.h"
#include "libcore/store/layout.h"

namespace reverse {

/// What identifies a content in 32 bytes: its MD5 and its check, or its SHA-256. Ordered by its
/// bytes, so that all contents with one MD5 stand together. The name of an object without a check
/// has zeros in the check's place.
struct ContentKey {
  std::array<unsigned char, 32> bytes{};

  static ContentKey of(const Digest& digest, const std::optional<Check>& check) {
    ContentKey key;
    std::memcpy(key.bytes.data(), digest.bytes().data(), digest.bytes().size());
    if (check) std::memcpy(key.bytes.data() + 16, check->value.data(), check->value.size());
    return key;
  }
  static ContentKey of(const ObjectName& name) { return of(name.digest, name.variant); }

  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  Digest digest(DigestKind kind) const {
    return Digest::from_bytes(view().substr(0, kind == DigestKind::md5 ? 16 : 32));
  }
  Check check() const { return Check::from_bytes(view().substr(16)); }
  /// The shard that an object of this content lies in.
  unsigned shard() const { return bytes[0]; }

  bool operator==(const ContentKey&) const = default;
  std::strong_ordering operator<=>(const ContentKey& other) const {
    return std::memcmp(bytes.data(), other.bytes.data(), bytes.size()) <=> 0;
  }
};

}  // namespace reverse
