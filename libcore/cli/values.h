#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "libcore/base/timestamp.h"

namespace reverse {

// Values of options. Each function throws `usage`, naming the value and what would do.

/// A byte count: digits, or with K M G T (1024).
std::uint64_t size_value(std::string_view text);
/// A count without unit.
std::uint64_t count_value(std::string_view text);
/// A duration of fixed length ("30min", "6h", "1w", "0"). Months and years have none: refused, and
/// the message says so.
std::chrono::seconds duration_value(std::string_view text);

/// A duration of a second or more: the time between two lines of progress.
std::chrono::seconds progress_interval_value(std::string_view text);

/// A duration that may hold calendar units; "1y6m", "3w". Subtracted years first, seconds last.
struct CalendarDuration {
  std::uint32_t years = 0;
  std::uint32_t months = 0;
  std::uint32_t days = 0;  ///< weeks too
  std::chrono::seconds rest{0};

  bool operator==(const CalendarDuration&) const = default;
};
CalendarDuration calendar_duration_value(std::string_view text);
/// `time` moved back in local time; a day that the month reached does not have becomes its last
/// one.
Timestamp before(Timestamp time, const CalendarDuration& duration);

/// A point in time: RFC 3339, "20140125T1200[00]Z", or local "YYYY-MM-DD[ HH:MM[:SS]]" (T for the
/// blank too). What is left out counts as zero.
Timestamp time_value(std::string_view text);
/// The last whole second of what `text` names: a time as above, "YYYY" or "YYYY-MM", each meaning
/// its end ("2014-01-05" is the last second of that day), or an age like "3w", counted back from
/// `now`.
Timestamp latest_moment_value(std::string_view text, Timestamp now);

/// Every guard that `--allow` may waive, sorted.
std::span<const std::string_view> guard_names();
/// "shrink,empty": names of guards.
std::set<std::string> guards_value(std::string_view text);

/// A host's name for a set: not empty, without a slash.
std::string host_value(std::string_view text);

}  // namespace reverse
