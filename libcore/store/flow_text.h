#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace reverse {

/// Pieces of the format's lines (schema/FORMAT.md, "Strings and numbers"). All append to `out`.

/// `"text"` with `"` and `\` escaped. `text` must be clean.
void append_quoted(std::string& out, std::string_view text);
/// Like `append_quoted`, but text that is not clean is written in percent form: for words that only
/// people read.
void append_words(std::string& out, std::string_view text);
/// `"KEY": "…"` if `raw` is clean, else `"KEYx": "…"` with its percent form.
void append_name(std::string& out, std::string_view key, std::string_view raw);
void append_number(std::string& out, std::uint64_t number);
/// Lower-case hex digits of `bytes`, without quotes.
void append_hex(std::string& out, std::string_view bytes);

}  // namespace reverse
