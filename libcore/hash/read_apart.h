#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "libcore/hash/hasher.h"

namespace reverse {

/// Stands before a feed whose sources are to be read by a thread of its own, which takes their
/// checks on the way: whoever hashes then does nothing but MD5. The sources are pulled by that
/// thread only, one at a time; `next` and `done` of the feed are called by the thread that hashes,
/// while the source they are about is not being read. A source's bytes are copied to a ring of
/// `kDepth` buffers for each content under way. Destroying it waits for the source that is being
/// read, and ends the thread.
class ReadApart : public HashFeed {
 public:
  /// `feed` must outlive it, and so must its sources.
  explicit ReadApart(HashFeed& feed);
  ~ReadApart() override;

  HashJob* next() override;
  void done(HashJob& job) override;

 private:
  static constexpr std::size_t kBufferBytes = 64 << 10;
  static constexpr std::size_t kDepth = 4;

  class Ring;
  void read_all();
  Ring* emptiest();
  ByteView wait_for(Ring& ring);

  HashFeed& feed_;
  std::mutex mutex_;  // guards what follows, and what rings say of their buffers
  std::condition_variable reader_wakes_;
  std::condition_variable hasher_wakes_;
  std::vector<std::unique_ptr<Ring>> rings_;  // of contents under way
  std::vector<std::unique_ptr<Ring>> spare_;  // to be used again
  std::size_t returned_ = 0;                  // buffers, since the reader went to sleep
  Ring* awaited_ = nullptr;                   // what the hashing thread waits for
  bool is_ending_ = false;
  std::thread reader_;
};

}  // namespace reverse
