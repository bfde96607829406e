#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "libcore/base/calendar.h"
#include "libcore/base/timestamp.h"

namespace reverse {

// Values of options. Each function throws `usage`, naming the value and what would do.

/// A byte count: digits, or with K M G T (1024).
std::uint64_t size_value(std::string_view text);
/// A rate in bytes a second: KiB a second, or with K M G T (1024) that a second. Not 0.
std::uint64_t rate_value(std::string_view text);
/// A count without unit.
std::uint64_t count_value(std::string_view text);
/// A duration of fixed length ("30min", "6h", "1w", "0"). Months and years have none: refused, and
/// the message says so.
std::chrono::seconds duration_value(std::string_view text);

/// A duration of a second or more: the time between two lines of progress.
std::chrono::seconds progress_interval_value(std::string_view text);

/// Every guard that `--allow` may waive, sorted.
std::span<const std::string_view> guard_names();
/// "shrink,empty": names of guards.
std::set<std::string> guards_value(std::string_view text);

/// A host's name for a set: not empty, without a slash.
std::string host_value(std::string_view text);

}  // namespace reverse
