#pragma once

#include <optional>
#include <span>
#include <vector>

#include "libcore/base/bytes.h"

namespace reverse::sftp {

/// Cuts what a stream delivers into packets. One thread at a time.
class PacketReader {
 public:
  PacketReader();

  /// Where the stream's next bytes belong; never empty.
  std::span<char> room();
  /// So many bytes were put there.
  void received(std::size_t size) { end_ += size; }

  /// The next whole packet, from its type on; nullopt until it has come. Valid until `room` is
  /// called. Throws `network` where its length cannot be one.
  std::optional<ByteView> next();

  /// What came and was not handed out.
  ByteView rest() const { return {buffer_.data() + begin_, end_ - begin_}; }
  /// True if the stream starts with text rather than with a packet, as when a shell's start-up file
  /// says something.
  bool starts_with_text() const;

 private:
  std::size_t packet_size() const;

  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace reverse::sftp
