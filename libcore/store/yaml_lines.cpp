#include "libcore/store/yaml_lines.h"

#include <yaml-cpp/exceptions.h>

#include <algorithm>
#include <optional>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/store/entry.h"

namespace reverse {

namespace {

constexpr std::string_view kKeyCharacters = "abcdefghijklmnopqrstuvwxyz0123456789_-";

/// Calls `visit(line, number)` for each line; a last one without newline counts as well.
template <typename Visit>
void for_each_line(std::string_view text, Visit visit) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::size_t end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end), number);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// True if what stands outside of strings is one value without anchors, tags or more than one level
/// of nesting.
bool is_plain_value(std::string_view value) {
  constexpr std::string_view kOutside = "abcdefghijklmnopqrstuvwxyz0123456789_- :,[]{}\"";
  bool quoted = false;
  int opened = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    char c = value[i];
    if (quoted && c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted) {
      opened += c == '[' || c == '{';
      if (kOutside.find(c) == std::string_view::npos) return false;
    }
  }
  return !quoted && opened <= 1;
}

const char* line_flaw(std::string_view line) {
  if (line.size() > kMaxLine) return "too long";
  if (!is_clean(line)) return "not clean UTF-8";
  if (line.starts_with("- {")) return is_plain_value(line.substr(2)) ? nullptr : "not plain";
  std::size_t colon = std::min(line.find(':'), line.size());
  if (colon == 0 || colon == line.size() || line.find_first_not_of(kKeyCharacters) != colon)
    return "not 'key: value'";
  std::string_view value = line.substr(colon + 1);
  if (value.empty()) return nullptr;
  constexpr std::string_view kFirst = "\"0123456789n[{";
  if (value.size() < 2 || value[0] != ' ' || kFirst.find(value[1]) == std::string_view::npos)
    return "not 'key: value'";
  return is_plain_value(value) ? nullptr : "not plain";
}

}  // namespace

void expect_plain_yaml(std::string_view text) {
  for_each_line(text, [](std::string_view line, std::size_t number) {
    if (const char* flaw = line_flaw(line)) fail(ErrorKind::corrupt, "line {}: {}", number, flaw);
  });
}

std::string without_extensions(std::string_view text) {
  std::string kept;
  for_each_line(text, [&kept](std::string_view line, std::size_t) {
    if (!line.starts_with("x-")) kept.append(line).append("\n");
  });
  return kept;
}

void expect_spelling(std::string_view text, std::string_view ours) {
  if (text == ours) return;
  for_each_line(text, [&ours](std::string_view line, std::size_t number) {
    std::size_t end = std::min(ours.find('\n'), ours.size());
    if (line != ours.substr(0, end))
      fail(ErrorKind::corrupt,
           "line {}: unknown, repeated or misplaced key, or not the format's spelling: '{}'",
           number, printable(line.substr(0, 60)));
    ours.remove_prefix(std::min(end + 1, ours.size()));
  });
  fail(ErrorKind::corrupt, "cut short");
}

void expect_format_1(std::string_view text, std::string_view key, std::string_view name) {
  std::string_view line = text.substr(0, text.find('\n'));
  std::optional<std::uint64_t> version;
  if (line.starts_with(key) && line.substr(key.size()).starts_with(": "))
    version = parse_uint(line.substr(key.size() + 2));
  if (!version || *version == 0) fail(ErrorKind::corrupt, "line 1: not '{}: 1'", key);
  if (*version > 1)
    fail(ErrorKind::no_repository,
         "{} has format {}; this program knows format 1 and must be updated", name, *version);
}

void with_yaml_errors(const std::function<void()>& read) {
  try {
    read();
  } catch (const YAML::Exception& error) {
    fail(ErrorKind::corrupt, "line {}: {}", error.mark.line + 1, error.msg);
  }
}

}  // namespace reverse
