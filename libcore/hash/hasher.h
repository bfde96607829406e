#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>

#include "libcore/base/bytes.h"
#include "libcore/hash/digest.h"

namespace reverse {

/// Computes the `Sums` of one content that arrives in pieces. One thread at a time.
/// Throws `unsupported` at construction where OpenSSL offers no such digest (FIPS).
class Hasher {
 public:
  explicit Hasher(DigestKind kind);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void update(ByteView bytes);
  /// The sums of all bytes so far; the hasher then begins anew.
  Sums finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Hashes what is written to it and keeps nothing. One thread at a time.
class HashSink : public ByteSink {
 public:
  explicit HashSink(DigestKind kind) : hasher_(kind) {}
  void write(ByteView bytes) override { hasher_.update(bytes); }
  Sums finish() { return hasher_.finish(); }

 private:
  Hasher hasher_;
};

/// The sums of bytes in memory.
Sums hash_bytes(DigestKind kind, ByteView bytes);

/// One content of many to be hashed together.
struct HashJob {
  ByteSource* source = nullptr;  ///< not owned; pulled to its end
  Sums sums;                     ///< result
  std::exception_ptr error;      ///< what `source` threw; `sums` is then meaningless
};

/// Contents that come one after the other, to be hashed side by side.
class HashFeed {
 public:
  virtual ~HashFeed() = default;
  /// The next content, which stays until it is done; null if there is none at the moment. Asked
  /// whenever there is room for one, so it should answer at once while others are being hashed.
  virtual HashJob* next() = 0;
  /// `job` has its result. In the order in which they end, not that in which they began.
  virtual void done(HashJob& job) = 0;
};

/// Hashes what `feed` delivers: MD5 with up to 32 contents in the lanes of vector registers,
/// SHA-256 one after the other. Returns once everything is done and `next` has nothing more. A
/// source that throws an `Error` fails its own job only; anything else (`Cancelled`), and what
/// `feed` throws, is thrown. Everything is called by the calling thread, sources in any order
/// between jobs. Chunks of some 64 KiB are best: those of all lanes then stay in the cache.
/// Thread-safe.
void hash_feed(DigestKind kind, HashFeed& feed);

/// Likewise with MD5 sources read by a thread of its own, one at a time, so that reading takes
/// no time from hashing: for few large contents and a core that has nothing else to do. `feed` is
/// called by the calling thread, and only about sources that are not being read.
void hash_feed_read_apart(DigestKind kind, HashFeed& feed);

/// As `hash_feed` for jobs that are all there.
void hash_many(DigestKind kind, std::span<HashJob> jobs);

/// XXH3-64 with `seed`: where pages are cut, and the ids of hard-link groups (schema/FORMAT.md).
std::uint64_t xxh3_64(ByteView bytes, std::uint64_t seed);

/// The check of bytes in memory, ten times as fast as all its sums.
Check check_of(ByteView bytes);

/// SHA-256 of bytes in memory as hex: a head's `end` (schema/FORMAT.md).
std::string sha256_hex(ByteView bytes);

}  // namespace reverse
