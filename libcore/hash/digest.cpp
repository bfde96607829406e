#include "libcore/hash/digest.h"

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {
namespace {

constexpr std::size_t kMd5Size = 16;
constexpr std::size_t kSha256Size = 32;

}  // namespace

std::string_view to_string(DigestKind kind) {
  return kind == DigestKind::md5 ? "md5" : "sha256";
}

std::optional<DigestKind> parse_digest_kind(std::string_view text) {
  for (const DigestKind kind : {DigestKind::md5, DigestKind::sha256})
    if (text == to_string(kind)) return kind;
  return std::nullopt;
}

Digest Digest::from_bytes(std::string_view bytes) {
  if (bytes.size() != kMd5Size && bytes.size() != kSha256Size)
    fail(ErrorKind::internal, "a digest of {} bytes", bytes.size());
  Digest digest;
  bytes.copy(digest.bytes_.data(), bytes.size());
  digest.size_ = std::uint8_t(bytes.size());
  return digest;
}

std::optional<Digest> Digest::parse(std::string_view hex) {
  if (hex.size() != 2 * kMd5Size && hex.size() != 2 * kSha256Size) return std::nullopt;
  const std::optional<std::string> bytes = from_hex(hex);
  if (!bytes) return std::nullopt;
  return from_bytes(*bytes);
}

std::string Digest::hex() const {
  return to_hex(bytes());
}

Check Check::from_bytes(std::string_view bytes) {
  Check check;
  if (bytes.size() != check.value.size())
    fail(ErrorKind::internal, "a check of {} bytes", bytes.size());
  bytes.copy(check.value.data(), bytes.size());
  return check;
}

std::optional<Check> Check::parse(std::string_view hex) {
  const std::optional<std::string> bytes = from_hex(hex);
  if (!bytes || bytes->size() != Check{}.value.size()) return std::nullopt;
  return from_bytes(*bytes);
}

std::string Check::hex() const {
  return to_hex(bytes());
}

}  // namespace reverse
