#include "libcore/base/timestamp.h"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"

namespace reverse {
namespace {

constexpr std::uint32_t kNanosecondsPerSecond = 1'000'000'000;
constexpr std::size_t kDecimals = 9;

/// Calendar fields in the zone `offset_seconds` east of UTC; nullopt where the year does not fit
/// `tm`.
std::optional<tm> fields_at(std::int64_t seconds, std::int64_t offset_seconds) {
  time_t shifted;
  tm fields{};
  if (__builtin_add_overflow(seconds, offset_seconds, &shifted)) return std::nullopt;
  if (::gmtime_r(&shifted, &fields) == nullptr) return std::nullopt;
  return fields;
}

/// Local time's distance from UTC at `seconds`, cut to whole minutes: zones of the 19th century
/// have seconds in their offsets, which no offset that is written down can hold.
std::int64_t local_offset(std::int64_t seconds) {
  const time_t time = seconds;
  tm fields{};
  if (::localtime_r(&time, &fields) == nullptr) return 0;
  return fields.tm_gmtoff / 60 * 60;
}

/// The pieces of local time: date, time of day, and the offset's sign, hours and minutes.
/// A time too far off for a calendar becomes "@SECONDS".
std::string format_local(Timestamp time, char between, std::string_view before_offset,
                         std::string_view in_offset) {
  const std::int64_t offset = local_offset(time.seconds);
  const std::optional<tm> at = fields_at(time.seconds, offset);
  if (!at) return fmt::format("@{}", time.seconds);
  const std::int64_t minutes = std::abs(offset) / 60;
  return fmt::format("{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}{:02}{}{:02}", at->tm_year + 1900LL,
                     at->tm_mon + 1, at->tm_mday, between, at->tm_hour, at->tm_min, at->tm_sec,
                     before_offset, offset < 0 ? '-' : '+', minutes / 60, in_offset, minutes % 60);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Takes fields of fixed width from the front of a text; the first that does not fit spoils all.
class FieldReader {
 public:
  explicit FieldReader(std::string_view text) : rest_(text) {}

  int number(std::size_t width, int most) {
    int value = 0;
    if (rest_.size() < width || !std::all_of(rest_.begin(), rest_.begin() + width, is_digit))
      return spoil();
    std::from_chars(rest_.data(), rest_.data() + width, value);
    rest_.remove_prefix(width);
    return value <= most ? value : spoil();
  }
  /// One character out of `choices`; 0 if another one comes.
  char one_of(std::string_view choices) {
    if (rest_.empty() || choices.find(rest_.front()) == std::string_view::npos)
      return char(spoil());
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  /// Digits of a fraction; those after the ninth are dropped.
  std::uint32_t fraction() {
    std::uint32_t value = 0;
    std::size_t digits = 0;
    for (; digits < rest_.size() && is_digit(rest_[digits]); ++digits)
      if (digits < kDecimals) value = value * 10 + std::uint32_t(rest_[digits] - '0');
    if (digits == 0) return std::uint32_t(spoil());
    for (std::size_t i = digits; i < kDecimals; ++i) value *= 10;
    rest_.remove_prefix(digits);
    return value;
  }
  bool at(char c) const { return !rest_.empty() && rest_.front() == c; }
  bool all_read() const { return good_ && rest_.empty(); }

 private:
  int spoil() {
    good_ = false;
    return 0;
  }

  std::string_view rest_;
  bool good_ = true;
};

/// Midnight UTC in seconds; nullopt if there is no such day.
std::optional<std::int64_t> day_start(int year, int month, int day) {
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(unsigned(month)),
                                         std::chrono::day(unsigned(day))};
  if (!date.ok()) return std::nullopt;
  return std::int64_t{std::chrono::sys_days(date).time_since_epoch().count()} * 86'400;
}

/// Looks like "Europe/Berlin" rather than like a POSIX rule ("CET-1CEST,M3.5.0") or a file.
bool is_zone_name(std::string_view name) {
  const auto in_names = [](char c) {
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '/' ||
           c == '_' || c == '-' || c == '+';
  };
  if (name.empty() || name.front() == '/' || is_digit(name.front())) return false;
  if (!std::all_of(name.begin(), name.end(), in_names)) return false;
  if (name == "UTC" || name.find('/') != std::string_view::npos) return true;
  return ::access(fmt::format("/usr/share/zoneinfo/{}", name).c_str(), F_OK) == 0;
}

/// "Europe/Berlin" of "/usr/share/zoneinfo/Europe/Berlin"; other texts as they are.
std::string after_zoneinfo(std::string_view path) {
  constexpr std::string_view kFolder = "zoneinfo/";
  const std::size_t at = path.rfind(kFolder);
  return std::string(at == std::string_view::npos ? path : path.substr(at + kFolder.size()));
}

std::string zone_of_environment() {
  const char* set = std::getenv("TZ");
  if (set == nullptr) return "";
  const std::string_view zone = set;
  if (zone.empty()) return "UTC";  // as the C library has it
  return after_zoneinfo(zone.front() == ':' ? zone.substr(1) : zone);
}

std::string zone_of_timezone_file() {
  try {
    const std::string text = read_file("/etc/timezone", 4096);
    return text.substr(0, text.find_first_of(" \t\r\n"));
  } catch (const Error&) {
    return "";  // many systems have none
  }
}

std::string zone_of_localtime_link() {
  char target[PATH_MAX];
  const ssize_t length = ::readlink("/etc/localtime", target, sizeof target);
  return length > 0 ? after_zoneinfo({target, std::size_t(length)}) : "";
}

}  // namespace

Timestamp to_timestamp(const timespec& time) {
  // File systems in user space may report whole seconds as nanoseconds.
  return {time.tv_sec + time.tv_nsec / kNanosecondsPerSecond,
          std::uint32_t(time.tv_nsec % kNanosecondsPerSecond)};
}

timespec to_timespec(Timestamp time) {
  timespec result{};
  result.tv_sec = time.seconds;
  result.tv_nsec = long{time.nanoseconds};
  return result;
}

Timestamp now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return to_timestamp(time);
}

Timestamp plus_seconds(Timestamp time, std::int64_t seconds) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (__builtin_add_overflow(time.seconds, seconds, &time.seconds))
    time.seconds = seconds < 0 ? Limits::min() : Limits::max();
  return time;
}

std::string to_decimal(Timestamp time) {
  if (time.seconds >= 0) return fmt::format("{}.{:09}", time.seconds, time.nanoseconds);
  // Seconds are rounded down, so below zero the fraction counts back from the next second.
  const bool whole = time.nanoseconds == 0;
  const std::uint64_t magnitude = -std::uint64_t(time.seconds) - (whole ? 0 : 1);
  return fmt::format("-{}.{:09}", magnitude, whole ? 0 : kNanosecondsPerSecond - time.nanoseconds);
}

std::optional<Timestamp> parse_decimal(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (digits.size() < kDecimals + 2) return std::nullopt;
  const std::size_t dot = digits.size() - kDecimals - 1;
  std::uint64_t whole = 0;
  std::uint32_t fraction = 0;
  const char* begin = digits.data();
  const auto read_whole = std::from_chars(begin, begin + dot, whole);
  const auto read_fraction = std::from_chars(begin + dot + 1, begin + digits.size(), fraction);
  if (read_whole.ec != std::errc() || read_fraction.ec != std::errc()) return std::nullopt;
  Timestamp time{std::int64_t(whole), fraction};
  if (negative) {
    time.seconds = std::int64_t(-whole - (fraction > 0 ? 1 : 0));
    time.nanoseconds = fraction > 0 ? kNanosecondsPerSecond - fraction : 0;
  }
  // One spelling per time: leading zeros, "-0", signs within and overflow all fail here.
  if (to_decimal(time) != text) return std::nullopt;
  return time;
}

std::string to_rfc3339_local(Timestamp time) {
  return format_local(time, 'T', "", ":");
}

std::optional<Timestamp> parse_rfc3339(std::string_view text) {
  FieldReader reader(text);
  const int year = reader.number(4, 9999);
  reader.one_of("-");
  const int month = reader.number(2, 12);
  reader.one_of("-");
  const int day = reader.number(2, 31);
  reader.one_of("Tt");
  std::int64_t in_day = reader.number(2, 23) * 3600;
  reader.one_of(":");
  in_day += reader.number(2, 59) * 60;
  reader.one_of(":");
  in_day += reader.number(2, 60);  // a leap second is the second after it
  Timestamp time;
  if (reader.at('.')) {
    reader.one_of(".");
    time.nanoseconds = reader.fraction();
  }
  const char sign = reader.one_of("Zz+-");
  if (sign == '+' || sign == '-') {
    int offset = reader.number(2, 23) * 3600;
    reader.one_of(":");
    offset += reader.number(2, 59) * 60;
    in_day -= sign == '+' ? offset : -offset;
  }
  const auto midnight = reader.all_read() ? day_start(year, month, day) : std::nullopt;
  if (!midnight) return std::nullopt;
  time.seconds = *midnight + in_day;
  return time;
}

std::string to_compact_utc(Timestamp time) {
  const std::optional<tm> at = fields_at(time.seconds, 0);
  if (!at) return fmt::format("@{}", time.seconds);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", at->tm_year + 1900LL, at->tm_mon + 1,
                     at->tm_mday, at->tm_hour, at->tm_min, at->tm_sec);
}

std::optional<Timestamp> parse_compact_utc(std::string_view text) {
  FieldReader reader(text);
  const int year = reader.number(4, 9999);
  const int month = reader.number(2, 12);
  const int day = reader.number(2, 31);
  reader.one_of("T");
  std::int64_t in_day = reader.number(2, 23) * 3600;
  in_day += reader.number(2, 59) * 60;
  in_day += reader.number(2, 59);
  reader.one_of("Z");
  const auto midnight = reader.all_read() ? day_start(year, month, day) : std::nullopt;
  if (!midnight) return std::nullopt;
  return Timestamp{*midnight + in_day, 0};
}

std::string to_display_local(Timestamp time) {
  return format_local(time, ' ', " ", "");
}

std::string local_zone_name() {
  for (const auto& find : {zone_of_environment, zone_of_timezone_file, zone_of_localtime_link})
    if (std::string zone = find(); is_zone_name(zone)) return zone;
  return "UTC";
}

}  // namespace reverse
