#include "libcore/hash/read_apart.h"

#include <algorithm>
#include <utility>

#include "libcore/hash/check_state.h"

namespace reverse {

/// One content under way: buffers that the reader fills and the hashing thread gives back, in turn.
class ReadApart::Ring : public ByteSource {
 public:
  explicit Ring(ReadApart& owner) : owner_(owner) {}

  void begin(HashJob& of) {
    inner = &of;
    job = {};
    job.source = this;
    rest_ = {};
    check_.begin();
    filled = returned = 0;
    is_held = has_ended = false;
    error = nullptr;
  }

  ByteView next() override { return owner_.wait_for(*this); }

  /// By the reader, without the lock: puts the source's next bytes into the next buffer. False at
  /// the source's end.
  bool fill() {
    if (rest_.empty()) rest_ = inner->source->next();
    const ByteView part = rest_.substr(0, kBufferBytes);
    rest_.remove_prefix(part.size());
    check_.update(part);
    part.copy(buffer(filled), part.size());
    sizes_[filled % kDepth] = part.size();
    return !part.empty();
  }

  Check check() const { return check_.finish(); }
  ByteView oldest() { return {buffer(returned), sizes_[returned % kDepth]}; }
  bool has_room() const { return !has_ended && filled - returned < kDepth; }

  HashJob* inner = nullptr;
  HashJob job;
  std::size_t filled = 0;    // buffers, in all
  std::size_t returned = 0;  // of them
  bool is_held = false;      // the oldest is being hashed
  bool has_ended = false;    // the reader will not touch it any more
  std::exception_ptr error;  // why

 private:
  char* buffer(std::size_t number) { return &buffers_[number % kDepth * kBufferBytes]; }

  ReadApart& owner_;
  ByteView rest_;  // of what the source delivered last
  CheckState check_;
  const std::unique_ptr<char[]> buffers_ =
      std::make_unique_for_overwrite<char[]>(kDepth * kBufferBytes);
  std::array<std::size_t, kDepth> sizes_{};
};

ReadApart::ReadApart(HashFeed& feed) : feed_(feed), reader_([this] { read_all(); }) {}

ReadApart::~ReadApart() {
  {
    std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  reader_wakes_.notify_one();
  reader_.join();
}

HashJob* ReadApart::next() {
  HashJob* inner = feed_.next();
  if (inner == nullptr) return nullptr;
  std::unique_ptr<Ring> ring;
  if (spare_.empty()) {
    ring = std::make_unique<Ring>(*this);
  } else {
    ring = std::move(spare_.back());
    spare_.pop_back();
  }
  ring->begin(*inner);
  HashJob& job = ring->job;
  {
    std::lock_guard lock(mutex_);
    rings_.push_back(std::move(ring));
  }
  reader_wakes_.notify_one();
  return &job;
}

void ReadApart::done(HashJob& job) {
  std::unique_ptr<Ring> ring;
  {
    std::lock_guard lock(mutex_);
    auto place = std::find_if(rings_.begin(), rings_.end(),
                              [&](const auto& one) { return &one->job == &job; });
    ring = std::move(*place);
    rings_.erase(place);
  }
  HashJob& inner = *ring->inner;
  inner.error = job.error;
  inner.sums = job.sums;
  if (!job.error) inner.sums.check = ring->check();
  spare_.push_back(std::move(ring));
  feed_.done(inner);
}

/// By the hashing thread: gives back the buffer that it had, and waits for the next one.
ByteView ReadApart::wait_for(Ring& ring) {
  std::unique_lock lock(mutex_);
  if (ring.is_held) {
    ring.is_held = false;
    ++ring.returned;
    // Waking it costs more than a buffer is worth: only once there is one to fill for each content.
    if (++returned_ >= rings_.size()) reader_wakes_.notify_one();
  }
  if (ring.filled == ring.returned && !ring.has_ended) {
    awaited_ = &ring;
    reader_wakes_.notify_one();
    hasher_wakes_.wait(lock, [&] { return ring.filled > ring.returned || ring.has_ended; });
    awaited_ = nullptr;
  }
  if (ring.filled == ring.returned) {
    if (ring.error) std::rethrow_exception(ring.error);
    return {};
  }
  ring.is_held = true;
  return ring.oldest();
}

/// The content that will be waited for first, of those with room for more; null if none has any.
ReadApart::Ring* ReadApart::emptiest() {
  Ring* found = nullptr;
  for (const auto& ring : rings_) {
    if (!ring->has_room()) continue;
    if (!found || ring->filled - ring->returned < found->filled - found->returned)
      found = ring.get();
  }
  return found;
}

/// The reader's loop.
void ReadApart::read_all() {
  std::unique_lock lock(mutex_);
  while (!is_ending_) {
    Ring* ring = emptiest();
    if (!ring) {
      returned_ = 0;
      reader_wakes_.wait(lock);  // woken in vain it just looks again
      continue;
    }
    lock.unlock();
    bool has_more = false;
    std::exception_ptr error;
    try {
      has_more = ring->fill();
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (has_more) {
      ++ring->filled;
    } else {
      ring->has_ended = true;
      ring->error = std::move(error);
    }
    if (awaited_ == ring) hasher_wakes_.notify_one();
  }
}

}  // namespace reverse
