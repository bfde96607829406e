#pragma once

#include <string_view>

namespace reverse {

/// A run of raw bytes that somebody else owns.
using ByteView = std::string_view;

/// Bytes to be pulled, in order. One thread at a time.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// The next chunk, of any size above 0; empty at the end and ever after.
  /// Valid until the next call. A chunk inside `zero_block()` stands for a hole (see `is_hole`).
  virtual ByteView next() = 0;
};

/// Bytes to be pushed, in order. One thread at a time.
class ByteSink {
 public:
  virtual ~ByteSink() = default;

  /// Takes all of `bytes` or throws. A chunk for which `is_hole` holds may be skipped over instead
  /// of being written, where that leaves zeros.
  virtual void write(ByteView bytes) = 0;
};

/// A source over bytes in memory, delivered as one chunk. Does not own them.
class MemorySource : public ByteSource {
 public:
  explicit MemorySource(ByteView bytes) : bytes_(bytes) {}
  ByteView next() override {
    ByteView all = bytes_;
    bytes_ = {};
    return all;
  }

 private:
  ByteView bytes_;
};

/// 1 MiB of zeros. Sources deliver holes of sparse files as views of this very block, so that
/// sinks can tell holes from data by address and without reading them.
ByteView zero_block();

/// True if `bytes` lies in `zero_block()`.
bool is_hole(ByteView bytes);

}  // namespace reverse
