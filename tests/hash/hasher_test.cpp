#include "libcore/hash/hasher.h"

#include <openssl/evp.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/text.h"
#include "tests/support/fixtures.h"

namespace reverse {
namespace {

std::string random_bytes(std::size_t size, unsigned seed) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = char(random());
  return bytes;
}

/// OpenSSL's own answer for the whole content at once.
std::string one_shot(const EVP_MD* kind, std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  REQUIRE(EVP_Digest(bytes.data(), bytes.size(), digest, &length, kind, nullptr) == 1);
  return to_hex({reinterpret_cast<const char*>(digest), length});
}

/// Delivers chunks, then throws what it was given.
class FailingSource : public ByteSource {
 public:
  explicit FailingSource(std::exception_ptr error) : error_(std::move(error)) {}
  ByteView next() override {
    if (chunks_left_-- > 0) return "some bytes before the end";
    std::rethrow_exception(error_);
  }

 private:
  int chunks_left_ = 3;
  std::exception_ptr error_;
};

}  // namespace

TEST_CASE("MD5 gives the vectors of RFC 1321", "[hasher]") {
  const std::pair<const char*, const char*> vectors[] = {
      {"", "d41d8cd98f00b204e9800998ecf8427e"},
      {"a", "0cc175b9c0f1b6a831c399e269772661"},
      {"abc", "900150983cd24fb0d6963f7d28e17f72"},
      {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
      {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
      {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
       "d174ab98d277d9f5a5611c2c9f419d9f"},
      {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
       "57edf4a22be3c955ac49da2e2107b67a"}};
  for (const auto& [text, hex] : vectors) {
    const Sums sums = hash_bytes(DigestKind::md5, text);
    CHECK(sums.digest.hex() == hex);
    CHECK(sums.size == std::string_view(text).size());
    CHECK(sums.check.has_value());
  }
}

TEST_CASE("SHA-256 gives the vectors of FIPS 180, and no check", "[hasher]") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256_hex(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK_FALSE(hash_bytes(DigestKind::sha256, "abc").check.has_value());
}

TEST_CASE("the check is XXH3-128 in its canonical order", "[hasher]") {
  const auto check_of = [](std::string_view bytes) {
    return hash_bytes(DigestKind::md5, bytes).check.value().hex();
  };
  CHECK(check_of("") == "99aa06d3014798d86001c324468d497f");
  CHECK(check_of("a") == "a96faf705af16834e6c632b61e964e1f");
  CHECK(check_of("abc") == "06b05ab6733a618578af5f94892f3950");
  CHECK(check_of("The quick brown fox jumps over the lazy dog") ==
        "ddd650205ca3e7fa24a1cc2e3a8a7651");
  CHECK(check_of(std::string(1000, 'a')) == "b01da365eddaa29cb3e7af627147db7c");
}

TEST_CASE("XXH3-64 is the published one and depends on its seed", "[hasher]") {
  CHECK(xxh3_64("", 0) == 0x2d06800538d394c2);
  CHECK(xxh3_64("a", 0) == 0xe6c632b61e964e1f);
  CHECK(xxh3_64("abc", 0) == 0x78af5f94892f3950);
  CHECK(xxh3_64("abc", 42) == 0xd8438def21bbdcc3);
}

TEST_CASE("sums do not depend on how the bytes arrive", "[hasher]") {
  const std::string bytes = random_bytes(300'000, 1);
  const Sums md5 = hash_bytes(DigestKind::md5, bytes);
  CHECK(md5.digest.hex() == one_shot(EVP_md5(), bytes));
  CHECK(sha256_hex(bytes) == one_shot(EVP_sha256(), bytes));
  std::mt19937 random(2);
  for (const DigestKind kind : {DigestKind::md5, DigestKind::sha256}) {
    const Sums whole = hash_bytes(kind, bytes);
    Hasher hasher(kind);  // one for all rounds: each begins anew
    for (const std::size_t most : {100u, 5'000u, 65'536u, 200'000u}) {
      for (ByteView rest = bytes; !rest.empty();) {
        const std::size_t piece = std::min<std::size_t>(random() % (most + 1), rest.size());
        hasher.update(rest.substr(0, piece));
        rest.remove_prefix(piece);
      }
      CHECK(hasher.finish() == whole);
    }
  }
}

TEST_CASE("sums are right at the edges of blocks and slices", "[hasher]") {
  const std::string bytes = random_bytes(131'073, 3);
  for (const std::size_t size : {1u, 16u, 17u, 55u, 56u, 63u, 64u, 65u, 128u, 129u, 240u, 241u,
                                 1024u, 65'535u, 65'536u, 65'537u, 131'072u, 131'073u}) {
    const ByteView part = ByteView(bytes).substr(0, size);
    INFO(size);
    CHECK(hash_bytes(DigestKind::md5, part).digest.hex() == one_shot(EVP_md5(), part));
    CHECK(sha256_hex(part) == one_shot(EVP_sha256(), part));
  }
}

TEST_CASE("a moved hasher goes on where it was", "[hasher]") {
  Hasher first(DigestKind::md5);
  first.update("ab");
  Hasher second = std::move(first);
  second.update("c");
  CHECK(second.finish() == hash_bytes(DigestKind::md5, "abc"));
}

TEST_CASE("the published pair with one MD5 is told apart by the check", "[hasher]") {
  const std::string a = read_file(fixture("md5-collision/a.bin"));
  const std::string b = read_file(fixture("md5-collision/b.bin"));
  REQUIRE(a != b);
  const Sums sums_a = hash_bytes(DigestKind::md5, a);
  const Sums sums_b = hash_bytes(DigestKind::md5, b);
  CHECK(sums_a.digest.hex() == "79054025255fb1a26e4bc422aef54eb4");
  CHECK(sums_a.digest == sums_b.digest);
  CHECK(sums_a.size == sums_b.size);
  CHECK(sums_a.check != sums_b.check);
  CHECK(sums_a != sums_b);
}

TEST_CASE("many contents hash as each does alone", "[hasher]") {
  std::vector<std::string> contents;
  for (unsigned i = 0; i < 300; ++i) contents.push_back(random_bytes(i * i, i));
  for (const DigestKind kind : {DigestKind::md5, DigestKind::sha256}) {
    std::vector<MemorySource> sources(contents.begin(), contents.end());
    std::vector<HashJob> jobs(contents.size());
    for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].source = &sources[i];
    hash_many(kind, jobs);
    std::size_t right = 0;
    for (std::size_t i = 0; i < jobs.size(); ++i)
      right += !jobs[i].error && jobs[i].sums == hash_bytes(kind, contents[i]);
    CHECK(right == jobs.size());
  }
}

TEST_CASE("a source that fails spoils its own job only", "[hasher]") {
  MemorySource before("before");
  FailingSource broken(
      std::make_exception_ptr(Error(ErrorKind::io, "read 'x': Input/output error")));
  MemorySource after("after");
  std::vector<HashJob> jobs(3);
  jobs[0].source = &before;
  jobs[1].source = &broken;
  jobs[2].source = &after;
  hash_many(DigestKind::md5, jobs);
  CHECK_FALSE(jobs[0].error);
  CHECK(jobs[0].sums == hash_bytes(DigestKind::md5, "before"));
  REQUIRE(jobs[1].error);
  CHECK_THROWS_WITH(std::rethrow_exception(jobs[1].error), "read 'x': Input/output error");
  CHECK_FALSE(jobs[2].error);
  CHECK(jobs[2].sums == hash_bytes(DigestKind::md5, "after"));
}

TEST_CASE("a stop passes through a batch of jobs", "[hasher]") {
  FailingSource stopped(std::make_exception_ptr(Cancelled()));
  HashJob job;
  job.source = &stopped;
  CHECK_THROWS_AS(hash_many(DigestKind::md5, {&job, 1}), Cancelled);
}

TEST_CASE("no jobs are no work", "[hasher]") {
  CHECK_NOTHROW(hash_many(DigestKind::sha256, {}));
}

TEST_CASE("several threads may hash at once", "[hasher]") {
  const std::string bytes = random_bytes(10'000, 4);
  const Sums expected = hash_bytes(DigestKind::md5, bytes);
  std::vector<int> right(4);
  {
    std::vector<std::jthread> threads;
    for (int& count : right)
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) count += hash_bytes(DigestKind::md5, bytes) == expected;
      });
  }
  CHECK(right == std::vector<int>(4, 50));
}

}  // namespace reverse
