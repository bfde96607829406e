#include "libcore/base/calendar.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <limits>
#include <string>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {
namespace {

// Longer durations than this are mistakes, and would overflow sums.
constexpr std::uint64_t kMaxCalendarCount = 100'000;

std::string_view take_digits(std::string_view& text) {
  const std::size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

std::string_view take_letters(std::string_view& text) {
  const std::size_t count = std::min(text.find_first_of("0123456789"), text.size());
  const std::string_view letters = text.substr(0, count);
  text.remove_prefix(count);
  return letters;
}

/// Adds `count` of `unit` to `sum`; false if there is no such unit.
bool add_unit(CalendarDuration& sum, std::uint32_t count, std::string_view unit) {
  using namespace std::chrono;
  if (unit == "y")
    sum.years += count;
  else if (unit == "m")
    sum.months += count;
  else if (unit == "w")
    sum.days += 7 * count;
  else if (unit == "d")
    sum.days += count;
  else if (unit == "h")
    sum.rest += hours(count);
  else if (unit == "min")
    sum.rest += minutes(count);
  else if (unit == "s")
    sum.rest += seconds(count);
  else
    return false;
  return true;
}

bool is_leap(int year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int days_in_month(int year, int month) {
  constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return kDays[std::size_t(month - 1)] + (month == 2 && is_leap(year) ? 1 : 0);
}

/// A local date and time of day as written, with as many fields as were written.
struct LocalMoment {
  int year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0;
  int fields = 0;  ///< how many of them were given
};

Timestamp to_timestamp(const LocalMoment& moment) {
  std::tm fields{};
  fields.tm_year = moment.year - 1900;
  fields.tm_mon = moment.month - 1;
  fields.tm_mday = moment.day;
  fields.tm_hour = moment.hour;
  fields.tm_min = moment.minute;
  fields.tm_sec = moment.second;
  fields.tm_isdst = -1;  // whatever was in force then
  return {std::int64_t(std::mktime(&fields)), 0};
}

/// `text` as fixed-width numbers behind one another: the separator before each, then its digits.
std::optional<LocalMoment> parse_local(std::string_view text) {
  constexpr std::array<std::string_view, 6> kSeparators{"", "-", "-", " T", ":", ":"};
  LocalMoment moment;
  int* const fields[] = {&moment.year, &moment.month,  &moment.day,
                         &moment.hour, &moment.minute, &moment.second};
  while (!text.empty() && moment.fields < 6) {
    const std::size_t field = std::size_t(moment.fields++);
    if (field > 0) {
      if (kSeparators[field].find(text.front()) == std::string_view::npos) return std::nullopt;
      text.remove_prefix(1);
    }
    const std::size_t width = field == 0 ? 4 : 2;
    const std::string_view digits = text.substr(0, width);
    if (digits.size() != width || digits.find_first_not_of("0123456789") != std::string_view::npos)
      return std::nullopt;
    *fields[field] = std::stoi(std::string(digits));
    text.remove_prefix(width);
  }
  const bool valid = text.empty() && moment.fields > 0 && moment.fields != 4 && moment.year >= 1 &&
                     moment.month >= 1 && moment.month <= 12 && moment.day >= 1 &&
                     moment.day <= days_in_month(moment.year, moment.month) && moment.hour <= 23 &&
                     moment.minute <= 59 && moment.second <= 59;
  return valid ? std::optional(moment) : std::nullopt;
}

/// Forms that name one second by themselves; the compact one may leave the seconds out.
std::optional<Timestamp> parse_absolute(std::string_view text, bool& whole_minute) {
  whole_minute = false;
  if (auto time = parse_rfc3339(text)) return time;
  if (auto time = parse_compact_utc(text)) return time;
  if (!text.ends_with('Z')) return std::nullopt;
  whole_minute = true;
  return parse_compact_utc(std::string(text.substr(0, text.size() - 1)) + "00Z");
}

Timestamp end_of(LocalMoment moment) {
  if (moment.fields < 2) moment.month = 12;
  if (moment.fields < 3) moment.day = days_in_month(moment.year, moment.month);
  if (moment.fields < 4) moment.hour = 23;
  if (moment.fields < 5) moment.minute = 59;
  if (moment.fields < 6) moment.second = 59;
  return to_timestamp(moment);
}

[[noreturn]] void refuse_time(std::string_view text, std::string_view more) {
  fail(ErrorKind::usage,
       "'{}' is not a time: write YYYY-MM-DD, 'YYYY-MM-DD HH:MM', an RFC 3339 time{}",
       printable(text), more);
}

}  // namespace

std::optional<CalendarDuration> parse_calendar_duration(std::string_view text) {
  if (text == "0") return CalendarDuration{};
  CalendarDuration sum;
  do {
    const std::optional<std::uint64_t> count = parse_uint(take_digits(text));
    if (!count || *count > kMaxCalendarCount) return std::nullopt;
    if (!add_unit(sum, std::uint32_t(*count), take_letters(text))) return std::nullopt;
  } while (!text.empty());
  return sum;
}

CalendarDuration calendar_duration_value(std::string_view text) {
  const std::optional<CalendarDuration> duration = parse_calendar_duration(text);
  if (!duration)
    fail(ErrorKind::usage,
         "'{}' is not a duration: write numbers with s, min, h, d, w, m (months) or y",
         printable(text));
  return *duration;
}

Timestamp before(Timestamp time, const CalendarDuration& duration) {
  const std::time_t seconds = time.seconds;
  std::tm fields{};
  ::localtime_r(&seconds, &fields);
  const std::int64_t months = (fields.tm_year + std::int64_t(1900)) * 12 + fields.tm_mon -
                              std::int64_t(duration.years) * 12 - duration.months;
  const std::int64_t year = (months >= 0 ? months : months - 11) / 12;
  if (year < 1) return {std::numeric_limits<std::int64_t>::min(), 0};  // before all there is
  const int month = int(months - year * 12) + 1;
  LocalMoment moment{int(year),
                     month,
                     std::min(fields.tm_mday, days_in_month(int(year), month)),
                     fields.tm_hour,
                     fields.tm_min,
                     fields.tm_sec,
                     6};
  moment.day -= int(duration.days);  // mktime carries what goes below 1
  Timestamp moved = to_timestamp(moment);
  moved.nanoseconds = time.nanoseconds;
  return plus_seconds(moved, -duration.rest.count());
}

Timestamp time_value(std::string_view text) {
  bool whole_minute = false;
  if (const std::optional<Timestamp> time = parse_absolute(text, whole_minute)) return *time;
  const std::optional<LocalMoment> moment = parse_local(text);
  if (!moment || moment->fields < 3) refuse_time(text, "");
  return to_timestamp(*moment);
}

Timestamp latest_moment_value(std::string_view text, Timestamp now) {
  bool whole_minute = false;
  if (const std::optional<Timestamp> time = parse_absolute(text, whole_minute))
    return whole_minute ? plus_seconds(*time, 59) : *time;
  if (const std::optional<LocalMoment> moment = parse_local(text)) return end_of(*moment);
  if (const std::optional<CalendarDuration> age = parse_calendar_duration(text))
    return before(now, *age);
  refuse_time(text, ", or an age like 3w");
}

}  // namespace reverse
