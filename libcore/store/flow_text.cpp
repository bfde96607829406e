#include "libcore/store/flow_text.h"

#include <charconv>
#include <utility>

#include "libcore/base/text.h"

namespace reverse {

namespace {

/// True if `text` is printable ASCII that needs no escape: nearly all names, told by one fast pass.
bool is_plain(std::string_view text) {
  unsigned odd = 0;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    odd |= unsigned(byte < 0x20) | unsigned(byte > 0x7e) | unsigned(c == '"') | unsigned(c == '\\');
  }
  return odd == 0;
}

void append_escaped(std::string& out, std::string_view text) {
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
}

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  if (is_plain(text))
    out.append(text);
  else
    append_escaped(out, text);
  out += '"';
}

void append_words(std::string& out, std::string_view text) {
  if (is_clean(text))
    append_quoted(out, text);
  else
    append_quoted(out, percent_encode(text));
}

void append_name(std::string& out, std::string_view key, std::string_view raw) {
  bool plain = is_plain(raw);
  bool clean = plain || is_clean(raw);
  out += '"';
  out.append(key).append(clean ? "\": \"" : "x\": \"");
  if (plain)
    out.append(raw);
  else
    append_escaped(out, clean ? raw : percent_encode(raw));
  out += '"';
}

void append_number(std::string& out, std::uint64_t number) {
  char digits[20];
  char* end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

void append_hex(std::string& out, std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  char block[64];
  std::size_t used = 0;
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    block[used++] = kDigits[byte >> 4];
    block[used++] = kDigits[byte & 15];
    if (used == sizeof block) out.append(block, std::exchange(used, 0));
  }
  out.append(block, used);
}

}  // namespace reverse
