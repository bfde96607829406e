#include "libcore/base/calendar.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>

#include "libcore/base/error.h"

using namespace reverse;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

/// Central European time, with its summers, for as long as it lives.
class BerlinTime {
 public:
  BerlinTime() {
    if (const char* zone = std::getenv("TZ")) before_ = zone;
    set("CET-1CEST,M3.5.0,M10.5.0/3");
  }
  ~BerlinTime() {
    if (before_.empty())
      ::unsetenv("TZ");
    else
      set(before_);
    ::tzset();
  }

 private:
  static void set(const std::string& zone) {
    ::setenv("TZ", zone.c_str(), 1);
    ::tzset();
  }
  std::string before_;
};

Timestamp utc(const char* text) {
  return parse_rfc3339(text).value();
}

template <typename Read>
std::string refusal(Read read, const char* text) {
  try {
    read(text);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("calendar durations add up their parts", "[cli]") {
  CHECK(calendar_duration_value("3w") == CalendarDuration{0, 0, 21, 0s});
  CHECK(calendar_duration_value("2m") == CalendarDuration{0, 2, 0, 0s});
  CHECK(calendar_duration_value("1y2m3d4h") == CalendarDuration{1, 2, 3, 4h});
  CHECK(calendar_duration_value("90min") == CalendarDuration{0, 0, 0, 90min});
  CHECK(calendar_duration_value("0") == CalendarDuration{});
  for (const char* bad : {"", "m", "5", "1y2", "1.5y", "-1y", "1Y", "999999999999999y"})
    CHECK_THAT(refusal(calendar_duration_value, bad), Contains("is not a duration"));
}

TEST_CASE("going back by months keeps the day, or takes the month's last", "[cli]") {
  const BerlinTime zone;
  const auto back = [](const char* from, const char* by) {
    return before(utc(from), calendar_duration_value(by));
  };
  CHECK(back("2014-03-31T12:00:00+02:00", "1m") == utc("2014-02-28T12:00:00+01:00"));
  CHECK(back("2014-01-15T12:00:00+01:00", "2m") == utc("2013-11-15T12:00:00+01:00"));
  CHECK(back("2012-02-29T12:00:00+01:00", "1y") == utc("2011-02-28T12:00:00+01:00"));
  CHECK(back("2014-01-01T12:00:00+01:00", "12m") == utc("2013-01-01T12:00:00+01:00"));
}

TEST_CASE("a day back over a change of the clock is the same time of day", "[cli]") {
  const BerlinTime zone;
  const Timestamp monday = utc("2014-03-31T10:00:00+02:00");
  CHECK(before(monday, calendar_duration_value("2d")) == utc("2014-03-29T10:00:00+01:00"));
  CHECK(before(monday, calendar_duration_value("48h")) == utc("2014-03-29T09:00:00+01:00"));
}

TEST_CASE("going back further than there were years ends before everything", "[cli]") {
  CHECK(before(utc("2014-01-01T00:00:00Z"), calendar_duration_value("9000y")) <
        utc("0001-01-01T00:00:00Z"));
}

TEST_CASE("times are local unless they say otherwise", "[cli]") {
  const BerlinTime zone;
  CHECK(time_value("2014-01-05") == utc("2014-01-05T00:00:00+01:00"));
  CHECK(time_value("2014-07-05 10:30") == utc("2014-07-05T10:30:00+02:00"));
  CHECK(time_value("2014-07-05 10:30:15") == utc("2014-07-05T10:30:15+02:00"));
  CHECK(time_value("2014-07-05T10:30:15") == utc("2014-07-05T10:30:15+02:00"));
  CHECK(time_value("2014-07-05T10:30:15Z") == utc("2014-07-05T10:30:15Z"));
  CHECK(time_value("2014-07-05T10:30:15-05:00") == utc("2014-07-05T15:30:15Z"));
  CHECK(time_value("20140125T100000Z") == utc("2014-01-25T10:00:00Z"));
  CHECK(time_value("2016-02-29") == utc("2016-02-29T00:00:00+01:00"));
}

TEST_CASE("dates that are not in the calendar are refused", "[cli]") {
  for (const char* bad : {"", "today", "2014", "2014-01", "2014-13-01", "2014-02-29", "2014-01-00",
                          "2014-1-5", "2014-01-05 10", "2014-01-05 24:00", "2014-01-05 10:61",
                          "2014-01-05x", "2014-01-05 ", "14-01-05", "2014-01-05 10:00:00:00", "3w"})
    CHECK_THAT(refusal(time_value, bad), Contains("is not a time"));
}

TEST_CASE("a time in part means its end where the newest before it is asked for", "[cli]") {
  const BerlinTime zone;
  const Timestamp today = utc("2014-01-25T12:00:00+01:00");
  const auto latest = [&](const char* text) { return latest_moment_value(text, today); };
  CHECK(latest("2014") == utc("2014-12-31T23:59:59+01:00"));
  CHECK(latest("2014-02") == utc("2014-02-28T23:59:59+01:00"));
  CHECK(latest("2014-01-05") == utc("2014-01-05T23:59:59+01:00"));
  CHECK(latest("2014-01-05 10:30") == utc("2014-01-05T10:30:59+01:00"));
  CHECK(latest("2014-01-05 10:30:07") == utc("2014-01-05T10:30:07+01:00"));
  CHECK(latest("20140105T1200Z") == utc("2014-01-05T12:00:59Z"));
  CHECK(latest("20140105T120000Z") == utc("2014-01-05T12:00:00Z"));
  CHECK(latest("3w") == utc("2014-01-04T12:00:00+01:00"));
  CHECK(latest("1m") == utc("2013-12-25T12:00:00+01:00"));
  CHECK_THAT(refusal(latest, "soon"), Contains("age like 3w"));
}
