#include "libcore/hash/hash_lanes.h"

#include <algorithm>
#include <utility>

#include "libcore/base/error.h"
#include "libcore/hash/check_state.h"

namespace reverse {
namespace {

constexpr std::uint32_t kInitial[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
constexpr std::size_t kLengthBytes = 8;  // of the number of bits that ends the padding
/// What the check reads before MD5 reads the same again. That of all lanes fits into the
/// processor's second cache.
constexpr std::size_t kSliceBytes = 32 << 10;

void put_little_endian(std::uint64_t value, std::size_t bytes, char* out) {
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>(value >> (8 * i));
}

}  // namespace

/// One content, cut into runs of whole blocks: those that lie in a chunk are hashed where they are;
/// what is left of it moves to `carry_`, to be completed by the next chunk or the padding.
class HashLanes::Stream {
 public:
  explicit Stream(bool checks) : checks_(checks) {}

  void begin(HashJob& job) {
    job_ = &job;
    chunk_ = {};
    carried_ = 0;
    size_ = 0;
    is_padded_ = false;
    check_.begin();
  }

  /// The next blocks; empty at the end. Valid until the next call. Throws what the source throws.
  ByteView next_blocks() {
    if (is_padded_) return {};
    for (;;) {
      if (chunk_.empty() && !pull()) return pad();
      if (carried_ == 0 && chunk_.size() >= kMd5BlockBytes) return take_whole();
      if (carry()) return carry_blocks(1);
    }
  }

  Sums finish(const Md5States& states, unsigned lane) {
    char digest[16];
    for (unsigned k = 0; k < 4; ++k)
      put_little_endian(states.words[k][lane], 4, digest + std::size_t{4} * k);
    Sums sums{Digest::from_bytes({digest, sizeof digest}), {}, size_};
    if (checks_) sums.check = check_.finish();
    return sums;
  }

  HashJob& job() { return *job_; }

 private:
  bool pull() {
    chunk_ = job_->source->next();
    size_ += chunk_.size();
    return !chunk_.empty();
  }

  ByteView take_whole() {
    const std::size_t bytes =
        std::min(kSliceBytes, chunk_.size() / kMd5BlockBytes * kMd5BlockBytes);
    return take(bytes);
  }

  /// Moves bytes of the chunk to `carry_`; true once that is a block.
  bool carry() {
    const ByteView part = take(std::min(kMd5BlockBytes - carried_, chunk_.size()));
    part.copy(carry_ + carried_, part.size());
    carried_ += part.size();
    return carried_ == kMd5BlockBytes;
  }

  ByteView take(std::size_t bytes) {
    const ByteView part = chunk_.substr(0, bytes);
    chunk_.remove_prefix(bytes);
    if (checks_) check_.update(part);
    return part;
  }

  ByteView pad() {
    is_padded_ = true;
    const std::size_t blocks = carried_ + 1 + kLengthBytes > kMd5BlockBytes ? 2 : 1;
    const std::size_t length_at = blocks * kMd5BlockBytes - kLengthBytes;
    carry_[carried_] = static_cast<char>(0x80);
    std::fill(carry_ + carried_ + 1, carry_ + length_at, '\0');
    put_little_endian(size_ * 8, kLengthBytes, carry_ + length_at);
    return carry_blocks(blocks);
  }

  ByteView carry_blocks(std::size_t blocks) {
    carried_ = 0;
    return {carry_, blocks * kMd5BlockBytes};
  }

  const bool checks_;
  HashJob* job_ = nullptr;
  ByteView chunk_;  // what is left of it
  char carry_[2 * kMd5BlockBytes];
  std::size_t carried_ = 0;
  std::uint64_t size_ = 0;
  bool is_padded_ = false;
  CheckState check_;
};

HashLanes::HashLanes(const Md5Machine& machine, bool checks)
    : machine_(machine), lanes_(machine.kernels.back().lanes), checks_(checks) {}
HashLanes::~HashLanes() = default;

void HashLanes::run(HashFeed& feed) {
  used_ = 0;
  for (fill(feed); used_ > 0; fill(feed)) {
    settle(feed);
    if (used_ > 0) advance();
  }
}

void HashLanes::fill(HashFeed& feed) {
  while (used_ < lanes_) {
    HashJob* job = feed.next();
    if (job == nullptr) return;
    start(*job);
  }
}

void HashLanes::start(HashJob& job) {
  const unsigned lane = used_++;
  if (!streams_[lane]) streams_[lane] = std::make_unique<Stream>(checks_);
  streams_[lane]->begin(job);
  for (unsigned k = 0; k < 4; ++k) states_.words[k][lane] = kInitial[k];
  blocks_[lane] = 0;
}

/// Gives every lane that has nothing left its next blocks, or its end.
void HashLanes::settle(HashFeed& feed) {
  for (unsigned lane = 0; lane < used_;) {
    if (blocks_[lane] > 0) {
      ++lane;
      continue;
    }
    Stream& stream = *streams_[lane];
    ByteView blocks;
    try {
      blocks = stream.next_blocks();
    } catch (const Error&) {
      stream.job().error = std::current_exception();
    }
    if (blocks.empty()) {
      finish(lane, feed);  // another stream is in the lane now
    } else {
      at_[lane] = reinterpret_cast<const unsigned char*>(blocks.data());
      blocks_[lane++] = blocks.size() / kMd5BlockBytes;
    }
  }
}

void HashLanes::finish(unsigned lane, HashFeed& feed) {
  HashJob& job = streams_[lane]->job();
  if (!job.error) job.sums = streams_[lane]->finish(states_, lane);
  free_lane(lane);
  feed.done(job);
}

/// The last lane's stream moves into `lane`, so that those in use stay together.
void HashLanes::free_lane(unsigned lane) {
  const unsigned last = --used_;
  if (lane == last) return;
  std::swap(streams_[lane], streams_[last]);
  at_[lane] = at_[last];
  blocks_[lane] = blocks_[last];
  for (auto& words : states_.words) words[lane] = words[last];
}

/// Hashes as many blocks as every lane has.
void HashLanes::advance() {
  const auto kernel = std::find_if(machine_.kernels.begin(), machine_.kernels.end(),
                                   [&](const Md5Kernel& one) { return one.lanes >= used_; });
  const std::size_t blocks = *std::min_element(blocks_.begin(), blocks_.begin() + used_);
  for (unsigned lane = used_; lane < kernel->lanes; ++lane) at_[lane] = at_[0];  // hashed in vain
  kernel->run(states_, at_.data(), blocks);
  for (unsigned lane = 0; lane < used_; ++lane) blocks_[lane] -= blocks;
}

}  // namespace reverse
