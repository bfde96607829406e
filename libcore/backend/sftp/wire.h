#pragma once

#include <cstdint>
#include <string>

#include "libcore/base/bytes.h"

// The fields of SFTP packets: numbers are big-endian, strings have their length before them.

namespace reverse::sftp {

/// Largest packet that is believed, in bytes behind its length: servers have sent a whole directory
/// in one.
constexpr std::uint32_t kMaxPacket = 4 << 20;

void append_u32(std::string& to, std::uint32_t value);
void append_u64(std::string& to, std::uint64_t value);
void append_string(std::string& to, ByteView bytes);

/// The number in the first four bytes.
std::uint32_t peek_u32(const char* bytes);

/// Takes the fields of one packet off its front. `what` names the packet in errors ("HANDLE").
/// Throws `network` where one ends early.
class FieldReader {
 public:
  FieldReader(ByteView packet, std::string_view what) : rest_(packet), what_(what) {}

  std::uint8_t take_u8();
  std::uint32_t take_u32();
  std::uint64_t take_u64();
  /// Valid as long as the packet.
  ByteView take_string();
  ByteView rest() const { return rest_; }
  bool at_end() const { return rest_.empty(); }
  [[noreturn]] void malformed(std::string_view why) const;

 private:
  ByteView take(std::size_t size, std::string_view field);

  ByteView rest_;
  std::string_view what_;
};

}  // namespace reverse::sftp
