#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "libcore/base/timestamp.h"

namespace reverse {

// Times and durations as people write them, in local time.

/// A duration that may hold calendar units; "1y6m", "3w". Subtracted years first, seconds last.
struct CalendarDuration {
  std::uint32_t years = 0;
  std::uint32_t months = 0;
  std::uint32_t days = 0;  ///< weeks too
  std::chrono::seconds rest{0};

  bool operator==(const CalendarDuration&) const = default;
};
/// nullopt if malformed.
std::optional<CalendarDuration> parse_calendar_duration(std::string_view text);
/// Throws `usage` if malformed.
CalendarDuration calendar_duration_value(std::string_view text);
/// `time` moved back in local time; a day that the month reached does not have becomes its last
/// one.
Timestamp before(Timestamp time, const CalendarDuration& duration);

/// A point in time: RFC 3339, "20140125T1200[00]Z", or local "YYYY-MM-DD[ HH:MM[:SS]]" (T for the
/// blank too). What is left out counts as zero.
/// Throws `usage`.
Timestamp time_value(std::string_view text);
/// The last whole second of what `text` names: a time as above, "YYYY" or "YYYY-MM", each meaning
/// its end ("2014-01-05" is the last second of that day), or an age like "3w", counted back from
/// `now`.
Timestamp latest_moment_value(std::string_view text, Timestamp now);

}  // namespace reverse
