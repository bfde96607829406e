#include "libcore/hash/hasher.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <new>

#include "libcore/base/error.h"

namespace reverse {
namespace {

/// How much the digest reads before the check reads the same again: both then find it in the cache.
constexpr std::size_t kSliceBytes = 64 << 10;

struct FreeEvpMdCtx {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using EvpMdCtx = std::unique_ptr<EVP_MD_CTX, FreeEvpMdCtx>;

struct FreeXxh3State {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};
using Xxh3State = std::unique_ptr<XXH3_state_t, FreeXxh3State>;

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

Check to_check(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  return Check::from_bytes(
      {reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest});
}

}  // namespace

struct Hasher::State {
  explicit State(DigestKind kind) : digest(digest_of(kind)), context(EVP_MD_CTX_new()) {
    if (kind == DigestKind::md5) check.reset(XXH3_createState());
    if (!context || (kind == DigestKind::md5 && !check)) throw std::bad_alloc();
    begin();
  }

  void begin() {
    check_evp(EVP_DigestInit_ex2(context.get(), digest, nullptr), "EVP_DigestInit_ex2");
    if (check) XXH3_128bits_reset(check.get());
    size = 0;
  }

  const EVP_MD* digest;
  EvpMdCtx context;
  Xxh3State check;  ///< none with SHA-256
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
    if (state_->check) XXH3_128bits_update(state_->check.get(), slice.data(), slice.size());
  }
}

Sums Hasher::finish() {
  Sums sums;
  sums.size = state_->size;
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned length = 0;
  check_evp(EVP_DigestFinal_ex(state_->context.get(), bytes.data(), &length), "EVP_DigestFinal_ex");
  sums.digest = Digest::from_bytes({reinterpret_cast<const char*>(bytes.data()), length});
  if (state_->check) sums.check = to_check(XXH3_128bits_digest(state_->check.get()));
  state_->begin();
  return sums;
}

Sums hash_bytes(DigestKind kind, ByteView bytes) {
  Hasher hasher(kind);
  hasher.update(bytes);
  return hasher.finish();
}

void hash_many(DigestKind kind, std::span<HashJob> jobs) {
  Hasher hasher(kind);
  for (HashJob& job : jobs) {
    try {
      job.sums = hash_source(hasher, *job.source);
    } catch (const Error&) {
      job.error = std::current_exception();
      hasher = Hasher(kind);  // rid of what the failed source had delivered
    }
  }
}

std::uint64_t xxh3_64(ByteView bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Check check_of(ByteView bytes) {
  return to_check(XXH3_128bits(bytes.data(), bytes.size()));
}

std::string sha256_hex(ByteView bytes) {
  return hash_bytes(DigestKind::sha256, bytes).digest.hex();
}

}  // namespace reverse
