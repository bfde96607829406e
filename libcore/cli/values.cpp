#include "libcore/cli/values.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/base/units.h"

namespace reverse {
namespace {

constexpr std::array<std::string_view, 8> kGuards{"create",  "empty", "last",   "mass-damage",
                                                  "mass-gc", "set",   "shrink", "target"};

}  // namespace

std::uint64_t size_value(std::string_view text) {
  const std::optional<std::uint64_t> size = parse_size(text);
  if (!size)
    fail(ErrorKind::usage, "'{}' is not a size: write bytes, or a number with K, M, G or T",
         printable(text));
  return *size;
}

std::uint64_t rate_value(std::string_view text) {
  const bool has_unit = !parse_uint(text);
  const std::optional<std::uint64_t> rate = parse_size(has_unit ? text : std::string(text) + "K");
  if (!rate || *rate == 0)
    fail(ErrorKind::usage, "'{}' is not a rate: write KiB a second, or a number with K, M, G or T",
         printable(text));
  return *rate;
}

std::uint64_t count_value(std::string_view text) {
  const std::optional<std::uint64_t> count = parse_uint(text);
  if (!count) fail(ErrorKind::usage, "'{}' is not a number", printable(text));
  return *count;
}

std::chrono::seconds duration_value(std::string_view text) {
  if (const std::optional<std::chrono::seconds> duration = parse_duration(text)) return *duration;
  if (parse_calendar_duration(text) && text.find_first_of("my") != std::string_view::npos)
    fail(ErrorKind::usage,
         "'{}': m is a month and y a year, which have no fixed length; write min for minutes",
         printable(text));
  fail(ErrorKind::usage, "'{}' is not a duration: write a number with s, min, h, d or w",
       printable(text));
}

std::chrono::seconds progress_interval_value(std::string_view text) {
  const std::chrono::seconds interval = duration_value(text);
  if (interval < std::chrono::seconds(1)) fail(ErrorKind::usage, "must be a second or more");
  return interval;
}

std::span<const std::string_view> guard_names() {
  return kGuards;
}

std::set<std::string> guards_value(std::string_view text) {
  std::set<std::string> guards;
  for (const std::string_view name : split(text, ',')) {
    if (std::find(kGuards.begin(), kGuards.end(), name) == kGuards.end())
      fail(ErrorKind::usage, "'{}' is no guard; there are {}", printable(name),
           fmt::join(kGuards, ", "));
    guards.emplace(name);
  }
  return guards;
}

std::string host_value(std::string_view text) {
  if (text.empty() || text.find('/') != std::string_view::npos)
    fail(ErrorKind::usage, "'{}' is not a host's name", printable(text));
  return std::string(text);
}

}  // namespace reverse
