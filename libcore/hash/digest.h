#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace reverse {

/// The checksum that names objects in a repository; fixed when the repository is created.
/// MD5 finds equal content and bit rot; it proves nothing against somebody who designs collisions.
enum class DigestKind : std::uint8_t { md5, sha256 };

/// "md5", "sha256": as keys and values of the format have it.
std::string_view to_string(DigestKind kind);
std::optional<DigestKind> parse_digest_kind(std::string_view text);

/// A checksum value: 16 bytes (MD5) or 32 (SHA-256). Ordered by its bytes. Immutable value.
class Digest {
 public:
  /// All zeros of MD5's length; never the name of anything.
  Digest() = default;
  /// `bytes` must be 16 or 32 long.
  static Digest from_bytes(std::string_view bytes);
  /// nullopt unless 32 or 64 lower-case hex digits.
  static std::optional<Digest> parse(std::string_view hex);

  std::string_view bytes() const { return {bytes_.data(), size_}; }
  DigestKind kind() const { return size_ == 16 ? DigestKind::md5 : DigestKind::sha256; }
  std::string hex() const;

  bool operator==(const Digest& other) const { return bytes() == other.bytes(); }
  auto operator<=>(const Digest& other) const { return bytes() <=> other.bytes(); }

 private:
  std::array<char, 32> bytes_{};
  std::uint8_t size_ = 16;
};

/// XXH3-128 in its canonical (big-endian) byte order. Kept beside MD5 to tell apart two contents
/// with one MD5. Resists accidents and ready-made pairs, nobody who designs for it. Ordered by its
/// bytes.
struct Check {
  std::array<char, 16> value{};

  static Check from_bytes(std::string_view bytes);  ///< `bytes` must be 16 long
  static std::optional<Check> parse(std::string_view hex);
  std::string_view bytes() const { return {value.data(), value.size()}; }
  std::string hex() const;
  bool operator==(const Check&) const = default;
  auto operator<=>(const Check& other) const { return bytes() <=> other.bytes(); }
};

/// Everything that identifies a content. `check` is there exactly if `digest` is MD5.
struct Sums {
  Digest digest;
  std::optional<Check> check;
  std::uint64_t size = 0;  ///< bytes

  bool operator==(const Sums&) const = default;
};

}  // namespace reverse

template <>
struct std::hash<reverse::Digest> {
  std::size_t operator()(const reverse::Digest& digest) const noexcept {
    std::size_t head;  // a digest's own bytes are as good as any hash of them
    std::memcpy(&head, digest.bytes().data(), sizeof head);
    return head;
  }
};
