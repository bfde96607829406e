#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct timespec;

namespace reverse {

/// A point in time: whole seconds since 1970 UTC, rounded down, and 0 to 999,999,999 ns more.
struct Timestamp {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;

  auto operator<=>(const Timestamp&) const = default;
};

Timestamp to_timestamp(const timespec& time);
timespec to_timespec(Timestamp time);

/// The system's clock.
Timestamp now();
/// `time` moved by whole seconds; stays at the first or last second there is.
Timestamp plus_seconds(Timestamp time, std::int64_t seconds);

/// One decimal number with nine decimals; "-1.500000000" is 1.5 s before 1970 (schema/FORMAT.md,
/// entries).
std::string to_decimal(Timestamp time);
/// Reads exactly what `to_decimal` writes; nothing else.
std::optional<Timestamp> parse_decimal(std::string_view text);

/// RFC 3339 in local time with offset, whole seconds: "2014-01-25T11:00:00+01:00".
/// A year too far off for the system's calendar (damaged file systems have such) gives "@SECONDS".
std::string to_rfc3339_local(Timestamp time);
/// RFC 3339 with `Z` or an offset, fractions allowed. nullopt if malformed.
std::optional<Timestamp> parse_rfc3339(std::string_view text);
/// "20140125T100000Z", as revision names have it; "@SECONDS" likewise.
std::string to_compact_utc(Timestamp time);
std::optional<Timestamp> parse_compact_utc(std::string_view text);
/// "2014-01-25 11:00:00 +0100": what a person reads; "@SECONDS" likewise.
std::string to_display_local(Timestamp time);

/// The system's IANA zone name ("Europe/Berlin"), or "UTC" where it cannot be told.
std::string local_zone_name();

}  // namespace reverse
