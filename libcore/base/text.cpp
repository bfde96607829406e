#include "libcore/base/text.h"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace reverse {
namespace {

/// One character at the front of a text; `length` 0 means that no valid UTF-8 starts there.
struct Character {
  std::uint32_t code = 0;
  std::size_t length = 0;
};

/// Strict: no overlong forms, no surrogates, nothing above U+10FFFF (RFC 3629).
Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return std::uint32_t(static_cast<unsigned char>(text[i]));
  };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {};
  std::uint32_t code = lead & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (overlong || surrogate || code > 0x10ffff) return {};
  return {code, length};
}

/// Frozen with the format (schema/FORMAT.md, "clean").
bool is_clean_code(std::uint32_t code) {
  return code >= 0x20 && !(code >= 0x7f && code <= 0x9f) && code != 0x2028 && code != 0x2029 &&
         code != 0xfeff && code != 0xfffe && code != 0xffff;
}

/// Characters that change the direction of the text around them.
bool is_bidi_code(std::uint32_t code) {
  return code == 0x061c || code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

constexpr std::string_view kLowerHex = "0123456789abcdef";
constexpr std::string_view kUpperHex = "0123456789ABCDEF";

void append_hex(std::string& to, char byte, std::string_view digits) {
  const auto value = static_cast<unsigned char>(byte);
  to += digits[value >> 4];
  to += digits[value & 15];
}

/// What one of `digits` stands for, or -1.
int hex_digit(char c, std::string_view digits) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= digits[10] && c <= digits[15] ? c - digits[10] + 10 : -1;
}

/// The byte that two digits out of `digits` at the front of `text` stand for.
std::optional<char> hex_byte(std::string_view text, std::string_view digits) {
  if (text.size() < 2) return std::nullopt;
  const int high = hex_digit(text[0], digits), low = hex_digit(text[1], digits);
  if (high < 0 || low < 0) return std::nullopt;
  return char(high << 4 | low);
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A `[…]` class at the front of a pattern.
struct GlobClass {
  std::size_t length = 0;  ///< of its text with both brackets; 0 if there is no closing one
  bool matches = false;
};

/// Reads the class that `pattern` starts with and tells whether `byte` is in it.
GlobClass match_class(std::string_view pattern, char byte) {
  const auto value = static_cast<unsigned char>(byte);
  const bool negated = pattern.size() > 1 && (pattern[1] == '!' || pattern[1] == '^');
  const std::size_t first = negated ? 2 : 1;
  bool found = false;
  const auto member = [&](std::size_t& at) {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
    return static_cast<unsigned char>(pattern[at++]);
  };
  for (std::size_t at = first; at < pattern.size();) {
    if (pattern[at] == ']' && at > first) return {at + 1, found != negated};
    const unsigned char from = member(at);
    unsigned char to = from;
    if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') to = member(++at);
    found = found || (from <= value && value <= to);
  }
  return {};
}

/// The length of the element that `pattern` starts with if it matches `byte`, else 0.
std::size_t match_one(std::string_view pattern, char byte) {
  switch (pattern.front()) {
    case '?':
      return 1;
    case '[':
      if (const GlobClass in = match_class(pattern, byte); in.length > 0)
        return in.matches ? in.length : 0;
      break;  // never closed: an ordinary character
    case '\\':
      return pattern.size() > 1 && pattern[1] == byte ? 2 : 0;
    default:
      break;
  }
  return pattern.front() == byte ? 1 : 0;
}

}  // namespace

bool is_clean(std::string_view text) {
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.length == 0 || !is_clean_code(character.code)) return false;
    text.remove_prefix(character.length);
  }
  return true;
}

std::string percent_encode(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const Character character = first_character(bytes);
    if (character.length > 0 && is_clean_code(character.code) && character.code != '%') {
      text += bytes.substr(0, character.length);
      bytes.remove_prefix(character.length);
    } else {
      // Byte by byte: what follows an unclean character's first byte can never start a clean one.
      text += '%';
      append_hex(text, bytes.front(), kUpperHex);
      bytes.remove_prefix(1);
    }
  }
  return text;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes += text[i];
      continue;
    }
    const std::optional<char> byte = hex_byte(text.substr(i + 1), kUpperHex);
    if (!byte) return std::nullopt;
    bytes += *byte;
    i += 2;
  }
  if (percent_encode(bytes) != text) return std::nullopt;
  return bytes;
}

std::string printable(std::string_view name) {
  std::string text;
  text.reserve(name.size());
  while (!name.empty()) {
    const Character character = first_character(name);
    const std::size_t length = character.length == 0 ? 1 : character.length;
    if (character.length == 0 || !is_clean_code(character.code) || is_bidi_code(character.code)) {
      for (const char byte : name.substr(0, length)) append_hex(text += "\\x", byte, kLowerHex);
    } else {
      if (character.code == '\\') text += '\\';
      text += name.substr(0, length);
    }
    name.remove_prefix(length);
  }
  return text;
}

std::string to_hex(std::string_view bytes) {
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const char byte : bytes) append_hex(hex, byte, kLowerHex);
  return hex;
}

std::optional<std::string> from_hex(std::string_view hex) {
  std::string bytes;
  bytes.reserve(hex.size() / 2);
  for (; !hex.empty(); hex.remove_prefix(2)) {
    const std::optional<char> byte = hex_byte(hex, kLowerHex);
    if (!byte) return std::nullopt;
    bytes += *byte;
  }
  return bytes;
}

std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(3, bytes.size()))) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i)
      group = group << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u);
    for (std::size_t i = 0; i < 4; ++i)
      text += i <= bytes.size() ? kBase64[group >> (18 - 6 * i) & 63] : '=';
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::uint32_t bits = 0;
  int bit_count = 0;
  for (const char c : text.substr(0, text.size() - padding)) {
    const std::size_t value = kBase64.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | std::uint32_t(value);
    bit_count += 6;
    if (bit_count < 8) continue;
    bit_count -= 8;
    bytes += char(bits >> bit_count & 0xff);
  }
  // Canonical: the last character's unused bits are zero.
  if ((bits & ((1u << bit_count) - 1)) != 0) return std::nullopt;
  return bytes;
}

std::optional<std::uint64_t> parse_uint(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool glob_match(std::string_view pattern, std::string_view text) {
  // Only the last `*` is ever gone back to: an earlier one could take no more than it does already.
  std::size_t at = 0;
  std::size_t position = 0;
  std::size_t after_star = std::string_view::npos;
  std::size_t star_end = 0;
  while (position < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      after_star = ++at;
      star_end = position;
      continue;
    }
    const std::size_t step =
        at < pattern.size() ? match_one(pattern.substr(at), text[position]) : 0;
    if (step > 0) {
      at += step;
      ++position;
    } else if (after_star != std::string_view::npos) {
      at = after_star;
      position = ++star_end;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

}  // namespace reverse
