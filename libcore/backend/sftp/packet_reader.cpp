#include "libcore/backend/sftp/packet_reader.h"

#include <algorithm>
#include <cstring>

#include "libcore/backend/sftp/wire.h"
#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse::sftp {

namespace {

constexpr std::size_t kLength = 4;
constexpr std::size_t kShortest = 5;  ///< type and number
/// Holds two of the largest packets that servers usually send, so that few are moved to the front.
constexpr std::size_t kBuffer = 512 << 10;
constexpr std::size_t kLeastRoom = 32 << 10;

}  // namespace

PacketReader::PacketReader() : buffer_(kBuffer) {}

/// Bytes of the packet at the front with its length; 0 while that has not come.
std::size_t PacketReader::packet_size() const {
  if (end_ - begin_ < kLength) return 0;
  return kLength + peek_u32(&buffer_[begin_]);
}

std::span<char> PacketReader::room() {
  if (begin_ == end_) begin_ = end_ = 0;
  const std::size_t packet = std::min<std::size_t>(packet_size(), kLength + kMaxPacket);
  const std::size_t wanted = std::max(packet, end_ - begin_ + kLeastRoom);
  if (begin_ + wanted > buffer_.size()) {
    std::memmove(buffer_.data(), &buffer_[begin_], end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (wanted > buffer_.size()) buffer_.resize(wanted);
  }
  return {buffer_.data() + end_, buffer_.size() - end_};
}

std::optional<ByteView> PacketReader::next() {
  const std::size_t size = packet_size();
  if (size == 0) return std::nullopt;
  if (size < kLength + kShortest || size > kLength + kMaxPacket)
    fail(ErrorKind::network,
         "got an SFTP packet of {} bytes, it should have {} to {}; it starts with '{}'",
         size - kLength, kShortest, kMaxPacket, printable(rest().substr(0, 32)));
  if (end_ - begin_ < size) return std::nullopt;
  ByteView packet(&buffer_[begin_ + kLength], size - kLength);
  begin_ += size;
  return packet;
}

bool PacketReader::starts_with_text() const {
  if (begin_ == end_) return false;
  const char first = buffer_[begin_];  // 0 in every length that is believed
  return (first >= ' ' && first <= '~') || (first != '\0' && std::strchr("\r\n\t\033", first));
}

}  // namespace reverse::sftp
