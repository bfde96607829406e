#include "libcore/hash/hash_lanes.h"

#include <openssl/evp.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {
namespace {

std::string random_bytes(std::size_t size, std::mt19937_64& random) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

/// What OpenSSL and xxHash say of the whole content at once.
Sums expected_sums(ByteView bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  REQUIRE(EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_md5(), nullptr) == 1);
  return {Digest::from_bytes({reinterpret_cast<const char*>(digest), length}), check_of(bytes),
          bytes.size()};
}

/// Delivers a content in pieces of random length up to `most`, each from memory of its own that is
/// overwritten before the next: what `ByteSource` allows.
class PieceSource : public ByteSource {
 public:
  PieceSource(ByteView bytes, std::size_t most, unsigned seed)
      : rest_(bytes), most_(most), random_(seed) {}
  ByteView next() override {
    std::fill(piece_.begin(), piece_.end(), '#');
    const std::size_t size = std::min<std::size_t>(1 + random_() % most_, rest_.size());
    const std::size_t misaligned = random_() % 64;
    piece_.assign(misaligned, '#').append(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return ByteView(piece_).substr(misaligned);
  }

 private:
  ByteView rest_;
  const std::size_t most_;
  std::mt19937 random_;
  std::string piece_;
};

/// A content with its source and what becomes of it.
struct Case {
  std::string bytes;
  std::unique_ptr<ByteSource> source;
  HashJob job;
  bool is_done = false;
};

/// Delivers cases; `gaps`: now and then says that there is none, as long as others are on the way.
class CaseFeed : public HashFeed {
 public:
  CaseFeed(std::vector<Case>& cases, bool gaps) : cases_(cases), gaps_(gaps) {}
  HashJob* next() override {
    if (next_ == cases_.size() || (gaps_ && under_way_ > 0 && random_() % 3 != 0)) return nullptr;
    ++under_way_;
    Case& one = cases_[next_++];
    one.job.source = one.source.get();
    return &one.job;
  }
  void done(HashJob& job) override {
    --under_way_;
    auto place = std::find_if(cases_.begin(), cases_.end(),
                              [&](const Case& one) { return &one.job == &job; });
    REQUIRE(place != cases_.end());
    REQUIRE_FALSE(place->is_done);
    place->is_done = true;
  }

 private:
  std::vector<Case>& cases_;
  const bool gaps_;
  std::size_t next_ = 0;
  std::size_t under_way_ = 0;
  std::mt19937 random_{7};
};

/// The number of cases that came out as OpenSSL has them.
std::size_t count_right(const std::vector<Case>& cases) {
  return static_cast<std::size_t>(std::count_if(cases.begin(), cases.end(), [](const Case& one) {
    return one.is_done && !one.job.error && one.job.sums == expected_sums(one.bytes);
  }));
}

std::size_t count_right(const Md5Machine& machine, std::vector<Case>& cases, bool gaps = false) {
  CaseFeed feed(cases, gaps);
  HashLanes(machine).run(feed);
  return count_right(cases);
}

std::size_t count_right_read_apart(std::vector<Case>& cases, bool gaps = false) {
  CaseFeed feed(cases, gaps);
  hash_feed_read_apart(DigestKind::md5, feed);
  return count_right(cases);
}

std::vector<Case> cases_of(const std::vector<std::string>& contents, std::size_t most) {
  std::vector<Case> cases(contents.size());
  for (std::size_t i = 0; i < contents.size(); ++i) {
    cases[i].bytes = contents[i];
    cases[i].source = std::make_unique<PieceSource>(cases[i].bytes, most, static_cast<unsigned>(i));
  }
  return cases;
}

class BrokenSource : public ByteSource {
 public:
  explicit BrokenSource(int chunks) : chunks_left_(chunks) {}
  ByteView next() override {
    if (chunks_left_-- > 0) return "some bytes, and then no more of them";
    fail(ErrorKind::io, "read 'x': Input/output error");
  }

 private:
  int chunks_left_;
};

/// Delivers without end until its run is told to stop.
class StoppedSource : public ByteSource {
 public:
  explicit StoppedSource(int chunks) : chunks_left_(chunks) {}
  ByteView next() override {
    if (chunks_left_-- > 0) return "some bytes";
    throw Cancelled();
  }

 private:
  int chunks_left_;
};

/// Notes who pulls it.
class WatchedSource : public ByteSource {
 public:
  WatchedSource(ByteView bytes, std::set<std::thread::id>& threads)
      : source_(bytes, 1000, 1), threads_(threads) {}
  ByteView next() override {
    threads_.insert(std::this_thread::get_id());  // not guarded: one at a time is promised
    return source_.next();
  }

 private:
  PieceSource source_;
  std::set<std::thread::id>& threads_;
};

}  // namespace

TEST_CASE("every machine's kernels rise to the widest, and the scalar ones are everywhere",
          "[lanes]") {
  REQUIRE_FALSE(md5_machines().empty());
  CHECK(md5_machines().front().name == std::string("scalar"));
  for (const Md5Machine& machine : md5_machines()) {
    INFO(machine.name);
    CHECK(machine.kernels.front().lanes == 1);
    CHECK(machine.kernels.back().lanes <= kMd5MaxLanes);
    CHECK(std::is_sorted(machine.kernels.begin(), machine.kernels.end(),
                         [](const Md5Kernel& a, const Md5Kernel& b) { return a.lanes < b.lanes; }));
  }
#ifdef __x86_64__
  const auto check_offered = [](const std::string& name, bool has) {
    if (!has) WARN("NOT TESTED: this machine has no " << name);
    CHECK(has == std::any_of(md5_machines().begin(), md5_machines().end(),
                             [&](const Md5Machine& one) { return one.name == name; }));
  };
  check_offered("avx2", __builtin_cpu_supports("avx2"));
  check_offered("avx512", __builtin_cpu_supports("avx512vl"));
#endif
}

TEST_CASE("lanes give the vectors of RFC 1321", "[lanes]") {
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
  for (const Md5Machine& machine : md5_machines()) {
    std::vector<std::string> texts;
    for (const auto& [text, hex] : vectors) texts.insert(texts.end(), 7, text);
    std::vector<Case> cases = cases_of(texts, 1000);
    INFO(machine.name);
    CHECK(count_right(machine, cases) == cases.size());
    for (std::size_t i = 0; i < cases.size(); ++i)
      CHECK(cases[i].job.sums.digest.hex() == vectors[i / 7].second);
  }
}

TEST_CASE("every length up to four blocks is right in every lane", "[lanes]") {
  std::mt19937_64 random(1);
  std::vector<std::string> contents;
  for (std::size_t size = 0; size <= 4 * kMd5BlockBytes + 1; ++size)
    contents.push_back(random_bytes(size, random));
  for (const Md5Machine& machine : md5_machines())
    for (const std::size_t most : {1u, 7u, 64u, 1000u}) {
      std::shuffle(contents.begin(), contents.end(), random);
      std::vector<Case> cases = cases_of(contents, most);
      INFO(machine.name << ", pieces up to " << most);
      CHECK(count_right(machine, cases) == cases.size());
    }
}

TEST_CASE("any number of contents side by side is right", "[lanes]") {
  std::mt19937_64 random(2);
  for (const Md5Machine& machine : md5_machines())
    for (std::size_t count = 1; count <= kMd5MaxLanes + 1; ++count) {
      std::vector<std::string> contents;
      for (std::size_t i = 0; i < count; ++i)
        contents.push_back(random_bytes(3000 + random() % 3, random));
      std::vector<Case> cases = cases_of(contents, 5000);
      INFO(machine.name << ", " << count << " contents");
      CHECK(count_right(machine, cases) == count);
    }
}

TEST_CASE("mixed lengths, splits and gaps in what comes are right", "[lanes]") {
  std::mt19937_64 random(3);
  std::lognormal_distribution<double> length(7.0, 2.5);  // median 1 KB, some of hundreds of KB
  std::vector<std::string> contents;
  for (int i = 0; i < 300; ++i)
    contents.push_back(random_bytes(
        std::min(std::size_t{400'000}, static_cast<std::size_t>(length(random))), random));
  for (const Md5Machine& machine : md5_machines())
    for (const std::size_t most : {100u, 5'000u, 200'000u})
      for (const bool gaps : {false, true}) {
        std::vector<Case> cases = cases_of(contents, most);
        INFO(machine.name << ", pieces up to " << most << (gaps ? ", with gaps" : ""));
        CHECK(count_right(machine, cases, gaps) == cases.size());
      }
}

TEST_CASE("sources that fail at any point spoil their own jobs only", "[lanes]") {
  std::mt19937_64 random(4);
  for (const Md5Machine& machine : md5_machines()) {
    std::vector<std::string> contents;
    for (int i = 0; i < 100; ++i) contents.push_back(random_bytes(random() % 2000, random));
    std::vector<Case> cases = cases_of(contents, 300);
    for (std::size_t i = 0; i < cases.size(); i += 3)
      cases[i].source = std::make_unique<BrokenSource>(static_cast<int>(i % 5));
    INFO(machine.name);
    CHECK(count_right(machine, cases) == 66);
    for (std::size_t i = 0; i < cases.size(); ++i) {
      CHECK(cases[i].is_done);
      CHECK((cases[i].job.error != nullptr) == (i % 3 == 0));
    }
  }
}

TEST_CASE("contents that are read apart are right whatever their length and pieces", "[lanes]") {
  std::mt19937_64 random(5);
  std::vector<std::string> contents;
  for (std::size_t i = 0; i < 3 * kMd5MaxLanes; ++i)
    contents.push_back(random_bytes(i % 8 == 0 ? 300'000 + random() % 500'000 : i, random));
  for (const std::size_t most : {3'000u, 200'000u})
    for (const bool gaps : {false, true}) {
      std::vector<Case> cases = cases_of(contents, most);
      INFO("pieces up to " << most << (gaps ? ", with gaps" : ""));
      CHECK(count_right_read_apart(cases, gaps) == cases.size());
    }
}

TEST_CASE("of sources that are read apart those that fail spoil their own jobs only", "[lanes]") {
  std::mt19937_64 random(6);
  std::vector<std::string> contents;
  for (int i = 0; i < 100; ++i) contents.push_back(random_bytes(random() % 20'000, random));
  std::vector<Case> cases = cases_of(contents, 300);
  for (std::size_t i = 0; i < cases.size(); i += 3)
    cases[i].source = std::make_unique<BrokenSource>(static_cast<int>(i % 9));
  CHECK(count_right_read_apart(cases) == 66);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CHECK(cases[i].is_done);
    CHECK((cases[i].job.error != nullptr) == (i % 3 == 0));
  }
}

TEST_CASE("a stop passes through sources that are read apart, at any point", "[lanes]") {
  std::mt19937_64 random(7);
  const std::vector<std::string> contents(12, random_bytes(400'000, random));
  for (const int chunks : {0, 1, 4, 100}) {
    std::vector<Case> cases = cases_of(contents, 100'000);
    cases[5].source = std::make_unique<StoppedSource>(chunks);
    INFO("after " << chunks << " chunks");
    CHECK_THROWS_AS(count_right_read_apart(cases), Cancelled);
    CHECK_FALSE(cases[5].is_done);
  }
}

TEST_CASE("what a feed throws ends its reading", "[lanes]") {
  class BrokenFeed : public HashFeed {
   public:
    HashJob* next() override {
      if (job_.source != nullptr) fail(ErrorKind::io, "there is no second one");
      job_.source = &source_;
      return &job_;
    }
    void done(HashJob&) override {}

   private:
    StoppedSource source_{1'000'000};
    HashJob job_;
  };
  BrokenFeed feed;
  CHECK_THROWS_AS(hash_feed_read_apart(DigestKind::md5, feed), Error);
}

TEST_CASE("sources are read apart by one thread, which is not the one that hashes", "[lanes]") {
  std::mt19937_64 random(8);
  const std::vector<std::string> contents(20, random_bytes(50'000, random));
  std::vector<Case> cases = cases_of(contents, 1);
  std::set<std::thread::id> threads;
  for (Case& one : cases) one.source = std::make_unique<WatchedSource>(one.bytes, threads);
  CHECK(count_right_read_apart(cases) == cases.size());
  CHECK(threads.size() == 1);
  CHECK_FALSE(threads.contains(std::this_thread::get_id()));
}

}  // namespace reverse
