#include "libcore/hash/check_state.h"

#include <xxhash.h>

#include <new>

#include "libcore/hash/hasher.h"

namespace reverse {
namespace {

Check to_check(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  return Check::from_bytes(
      {reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest});
}

}  // namespace

CheckState::CheckState() : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  begin();
}

CheckState::~CheckState() {
  XXH3_freeState(state_);
}

void CheckState::begin() {
  XXH3_128bits_reset(state_);
}

void CheckState::update(ByteView bytes) {
  XXH3_128bits_update(state_, bytes.data(), bytes.size());
}

Check CheckState::finish() const {
  return to_check(XXH3_128bits_digest(state_));
}

Check check_of(ByteView bytes) {
  return to_check(XXH3_128bits(bytes.data(), bytes.size()));
}

std::uint64_t xxh3_64(ByteView bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace reverse
