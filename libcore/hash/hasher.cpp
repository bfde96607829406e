#include "libcore/hash/hasher.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <new>

#include "libcore/base/error.h"
#include "libcore/hash/check_state.h"
#include "libcore/hash/hash_lanes.h"
#include "libcore/hash/md5_kernels.h"
#include "libcore/hash/read_apart.h"

namespace reverse {
namespace {

/// How much the digest reads before the check reads the same again: both then find it in the cache.
constexpr std::size_t kSliceBytes = 64 << 10;

struct FreeEvpMdCtx {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using EvpMdCtx = std::unique_ptr<EVP_MD_CTX, FreeEvpMdCtx>;

/// For calls that fail only without memory or after misuse.
void check_evp(int result, const char* call) {
  if (result != 1) fail(ErrorKind::internal, "{} failed", call);
}

EVP_MD* fetch(const char* name) {
  EVP_MD* digest = EVP_MD_fetch(nullptr, name, nullptr);
  if (digest == nullptr) fail(ErrorKind::unsupported, "openssl here offers no {}", name);
  return digest;
}

/// Looking a digest up costs more than hashing a small file: once in a process, never given back.
const EVP_MD* digest_of(DigestKind kind) {
  if (kind == DigestKind::md5) {
    static const EVP_MD* const md5 = fetch("MD5");
    return md5;
  }
  static const EVP_MD* const sha256 = fetch("SHA256");
  return sha256;
}

/// The sums of all that `source` delivers; `hasher` must be fresh.
Sums hash_source(Hasher& hasher, ByteSource& source) {
  for (ByteView chunk = source.next(); !chunk.empty(); chunk = source.next()) hasher.update(chunk);
  return hasher.finish();
}

/// One job after the other: for digests that have no lanes.
void hash_in_turn(DigestKind kind, HashFeed& feed) {
  Hasher hasher(kind);
  while (HashJob* job = feed.next()) {
    try {
      job->sums = hash_source(hasher, *job->source);
    } catch (const Error&) {
      job->error = std::current_exception();
      hasher = Hasher(kind);  // rid of what the failed source had delivered
    }
    feed.done(*job);
  }
}

/// Jobs that are all there.
class SpanFeed : public HashFeed {
 public:
  explicit SpanFeed(std::span<HashJob> jobs) : jobs_(jobs) {}
  HashJob* next() override { return next_ < jobs_.size() ? &jobs_[next_++] : nullptr; }
  void done(HashJob&) override {}

 private:
  const std::span<HashJob> jobs_;
  std::size_t next_ = 0;
};

}  // namespace

struct Hasher::State {
  explicit State(DigestKind kind) : digest(digest_of(kind)), context(EVP_MD_CTX_new()) {
    if (!context) throw std::bad_alloc();
    if (kind == DigestKind::md5) check.emplace();
    begin();
  }

  void begin() {
    check_evp(EVP_DigestInit_ex2(context.get(), digest, nullptr), "EVP_DigestInit_ex2");
    if (check) check->begin();
    size = 0;
  }

  const EVP_MD* digest;
  EvpMdCtx context;
  std::optional<CheckState> check;  ///< none with SHA-256
  std::uint64_t size = 0;
};

Hasher::Hasher(DigestKind kind) : state_(std::make_unique<State>(kind)) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(ByteView bytes) {
  state_->size += bytes.size();
  for (; !bytes.empty(); bytes.remove_prefix(std::min(kSliceBytes, bytes.size()))) {
    const ByteView slice = bytes.substr(0, kSliceBytes);
    check_evp(EVP_DigestUpdate(state_->context.get(), slice.data(), slice.size()),
              "EVP_DigestUpdate");
    if (state_->check) state_->check->update(slice);
  }
}

Sums Hasher::finish() {
  Sums sums;
  sums.size = state_->size;
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned length = 0;
  check_evp(EVP_DigestFinal_ex(state_->context.get(), bytes.data(), &length), "EVP_DigestFinal_ex");
  sums.digest = Digest::from_bytes({reinterpret_cast<const char*>(bytes.data()), length});
  if (state_->check) sums.check = state_->check->finish();
  state_->begin();
  return sums;
}

Sums hash_bytes(DigestKind kind, ByteView bytes) {
  Hasher hasher(kind);
  hasher.update(bytes);
  return hasher.finish();
}

void hash_feed(DigestKind kind, HashFeed& feed) {
  if (kind != DigestKind::md5) return hash_in_turn(kind, feed);
  digest_of(kind);  // lanes need no OpenSSL, but keep to its word on what is allowed here
  HashLanes(md5_machines().back()).run(feed);
}

void hash_feed_read_apart(DigestKind kind, HashFeed& feed) {
  if (kind != DigestKind::md5) return hash_in_turn(kind, feed);
  digest_of(kind);
  ReadApart apart(feed);
  HashLanes(md5_machines().back(), false).run(apart);
}

void hash_many(DigestKind kind, std::span<HashJob> jobs) {
  SpanFeed feed(jobs);
  hash_feed(kind, feed);
}

std::string sha256_hex(ByteView bytes) {
  return hash_bytes(DigestKind::sha256, bytes).digest.hex();
}

}  // namespace reverse
