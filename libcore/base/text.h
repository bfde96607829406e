#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reverse {

/// True if `text` is valid UTF-8 without U+0000–001F, 007F–009F, 2028, 2029, FEFF, FFFE, FFFF:
/// what the format writes as it is (schema/FORMAT.md, "clean").
bool is_clean(std::string_view text);

/// Percent form: every byte that is not part of a clean character, and every `%`, as %XX with
/// upper-case hex.
std::string percent_encode(std::string_view bytes);
/// The bytes behind a percent form; nullopt unless `percent_encode` of them gives `text` back.
std::optional<std::string> percent_decode(std::string_view text);

/// A name as a person may see it: control, bidi and invalid bytes as \xNN, `\` as `\\`.
/// The only way in which names of files or servers reach a terminal or a log.
std::string printable(std::string_view name);

std::string to_hex(std::string_view bytes);
/// nullopt unless `hex` is lower-case hex of even length.
std::optional<std::string> from_hex(std::string_view hex);

std::string to_base64(std::string_view bytes);
/// Strict: padded, no other characters, canonical.
std::optional<std::string> from_base64(std::string_view text);

/// A decimal number without sign, blanks or leading zeros that fits 64 bits.
std::optional<std::uint64_t> parse_uint(std::string_view text);

/// The parts between separators, in order: one more than there are separators, empty ones too.
std::vector<std::string_view> split(std::string_view text, char separator);

/// fnmatch-like match without path semantics: `*` any run, `?` one byte, `[a-z]`/`[!a]` a class,
/// `\` quotes. A `[` that nothing closes is an ordinary character.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace reverse
