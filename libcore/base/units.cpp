#include "libcore/base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "libcore/base/text.h"

namespace reverse {
namespace {

/// The number before a unit, and the unit: "15min" is {15, "min"}.
std::optional<std::pair<std::uint64_t, std::string_view>> split_unit(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<std::uint64_t> number = parse_uint(text.substr(0, digits));
  if (!number) return std::nullopt;
  return std::pair(*number, text.substr(digits));
}

/// `number * unit`; nullopt if that is more than `most`.
std::optional<std::uint64_t> product(std::uint64_t number, std::uint64_t unit, std::uint64_t most) {
  if (number > most / unit) return std::nullopt;
  return number * unit;
}

}  // namespace

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = double(bytes) / 1024;
  std::size_t unit = 0;
  // Limits are those at which rounding would carry into another digit.
  for (; value >= 1023.5 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, decimals, kUnits[unit]);
}

std::string format_count(std::uint64_t count) {
  std::string text = fmt::format("{}", count);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

std::string format_duration(std::chrono::duration<double> duration) {
  const double seconds = duration.count() > 0 ? duration.count() : 0;
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  if (seconds < 3599.5) {
    const long whole = std::lround(seconds);
    return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  }
  const long minutes = std::lround(seconds / 60);
  return fmt::format("{} h {:02} min", minutes / 60, minutes % 60);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto parts = split_unit(text);
  if (!parts) return std::nullopt;
  constexpr std::string_view kUnits = "KMGT";
  const auto [number, unit] = *parts;
  const std::size_t power = unit.size() == 1 ? kUnits.find(unit.front()) : std::string_view::npos;
  if (!unit.empty() && power == std::string_view::npos) return std::nullopt;
  const std::uint64_t factor = unit.empty() ? 1 : std::uint64_t{1} << 10 * (power + 1);
  return product(number, factor, std::uint64_t{1} << 63);
}

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 5> kUnits = {
      {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86'400}, {"w", 604'800}}};
  const auto parts = split_unit(text);
  if (!parts) return std::nullopt;
  if (text == "0") return std::chrono::seconds(0);
  for (const auto& [unit, seconds] : kUnits) {
    if (parts->second != unit) continue;
    const auto total = product(parts->first, seconds, INT64_MAX);
    if (!total) return std::nullopt;
    return std::chrono::seconds(*total);
  }
  return std::nullopt;
}

}  // namespace reverse
