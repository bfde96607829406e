#include "libcore/backend/sftp/wire.h"

#include "libcore/base/error.h"

namespace reverse::sftp {

namespace {

template <typename Number>
void append_number(std::string& to, Number value) {
  char bytes[sizeof value];
  for (std::size_t i = sizeof value; i-- > 0; value >>= 8)
    bytes[i] = static_cast<char>(value & 255);
  to.append(bytes, sizeof bytes);
}

template <typename Number>
Number to_number(const char* bytes) {
  Number value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i)
    value = static_cast<Number>(value << 8 | static_cast<unsigned char>(bytes[i]));
  return value;
}

}  // namespace

void append_u32(std::string& to, std::uint32_t value) {
  append_number(to, value);
}
void append_u64(std::string& to, std::uint64_t value) {
  append_number(to, value);
}

void append_string(std::string& to, ByteView bytes) {
  append_u32(to, static_cast<std::uint32_t>(bytes.size()));
  to.append(bytes);
}

std::uint32_t peek_u32(const char* bytes) {
  return to_number<std::uint32_t>(bytes);
}

ByteView FieldReader::take(std::size_t size, std::string_view field) {
  if (size > rest_.size())
    malformed(fmt::format("{} of {} bytes, {} left", field, size, rest_.size()));
  ByteView taken = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return taken;
}

std::uint8_t FieldReader::take_u8() {
  return static_cast<std::uint8_t>(take(1, "number")[0]);
}
std::uint32_t FieldReader::take_u32() {
  return peek_u32(take(4, "number").data());
}
std::uint64_t FieldReader::take_u64() {
  return to_number<std::uint64_t>(take(8, "number").data());
}
ByteView FieldReader::take_string() {
  return take(take_u32(), "string");
}

void FieldReader::malformed(std::string_view why) const {
  fail(ErrorKind::network, "malformed SFTP packet {}: {}", what_, why);
}

}  // namespace reverse::sftp
