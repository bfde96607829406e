#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace reverse {

/// "48.1 MiB", "512 B": three significant digits, units of 1024.
std::string format_bytes(std::uint64_t bytes);
/// "61,210"
std::string format_count(std::uint64_t count);
/// "4.2 s", "3 min 20 s", "2 h 05 min"
std::string format_duration(std::chrono::duration<double> duration);
/// A byte count: digits, or with K M G T (1024). nullopt if malformed or above 2^63.
std::optional<std::uint64_t> parse_size(std::string_view text);
/// A duration of fixed units: number and one of s min h d w; "0" too. nullopt for others (`m` and
/// `y` are months and years: they have no fixed length).
std::optional<std::chrono::seconds> parse_duration(std::string_view text);

}  // namespace reverse
