#include "libcore/hash/digest.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <unordered_set>

#include "libcore/base/error.h"

namespace reverse {

TEST_CASE("digest kinds are called as the format has it", "[digest]") {
  CHECK(to_string(DigestKind::md5) == "md5");
  CHECK(to_string(DigestKind::sha256) == "sha256");
  CHECK(parse_digest_kind("md5") == DigestKind::md5);
  CHECK(parse_digest_kind("sha256") == DigestKind::sha256);
  for (const char* text : {"", "MD5", "sha-256", "md5 ", "sha1"})
    CHECK_FALSE(parse_digest_kind(text).has_value());
}

TEST_CASE("a digest comes back from its hex, its length telling the kind", "[digest]") {
  for (const auto& [length, kind] :
       {std::pair(16, DigestKind::md5), std::pair(32, DigestKind::sha256)}) {
    std::string bytes;
    for (int i = 0; i < length; ++i) bytes += char(250 + i);
    const Digest digest = Digest::from_bytes(bytes);
    CHECK(digest.kind() == kind);
    CHECK(digest.bytes() == bytes);
    CHECK(digest.hex().size() == bytes.size() * 2);
    CHECK(Digest::parse(digest.hex()) == digest);
  }
}

TEST_CASE("hex that is no digest or no check is refused", "[digest]") {
  const std::string hex = "0123456789abcdef0123456789abcdef";
  CHECK(Digest::parse(hex).has_value());
  CHECK(Check::parse(hex).has_value());
  CHECK_FALSE(Check::parse(hex + hex).has_value());
  std::string upper = hex;
  upper.back() = 'F';
  for (const std::string& text : {std::string(), hex.substr(2), hex + "00", upper,
                                  "g" + hex.substr(1), hex.substr(1) + " "}) {
    INFO(text);
    CHECK_FALSE(Digest::parse(text).has_value());
    CHECK_FALSE(Check::parse(text).has_value());
  }
}

TEST_CASE("bytes of another length are a broken promise, not a digest", "[digest]") {
  CHECK_THROWS_AS(Digest::from_bytes(std::string(20, 'x')), Error);
  CHECK_THROWS_AS(Check::from_bytes(std::string(32, 'x')), Error);
}

TEST_CASE("digests and checks sort as their hex does", "[digest]") {
  const std::string low(16, '\x7f');
  const std::string high(16, '\x80');
  CHECK(Digest::from_bytes(low) < Digest::from_bytes(high));
  CHECK(Check::from_bytes(low) < Check::from_bytes(high));
}

TEST_CASE("an MD5 digest is never equal to a SHA-256 digest that starts alike", "[digest]") {
  CHECK(Digest::from_bytes(std::string(16, '\0')) != Digest::from_bytes(std::string(32, '\0')));
  CHECK(Digest() == Digest::from_bytes(std::string(16, '\0')));
}

TEST_CASE("a set of digests holds each once", "[digest]") {
  std::unordered_set<Digest> set;
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 256; ++i) set.insert(Digest::from_bytes(std::string(16, char(i))));
  CHECK(set.size() == 256);
}

}  // namespace reverse
