#include "libcore/base/timestamp.h"

#include <time.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

namespace reverse {
namespace {

constexpr long kLeast = INT64_MIN;
constexpr long kMost = INT64_MAX;

/// Puts the process into a time zone for as long as it lives.
class InZone {
 public:
  explicit InZone(const char* zone) {
    if (const char* set = std::getenv("TZ")) before_ = set;
    ::setenv("TZ", zone, 1);
    ::tzset();
  }
  ~InZone() {
    if (before_)
      ::setenv("TZ", before_->c_str(), 1);
    else
      ::unsetenv("TZ");
    ::tzset();
  }

 private:
  std::optional<std::string> before_;
};

}  // namespace

TEST_CASE("the decimal form counts the fraction away from zero on both sides", "[timestamp]") {
  CHECK(to_decimal({0, 0}) == "0.000000000");
  CHECK(to_decimal({1, 5}) == "1.000000005");
  CHECK(to_decimal({-2, 500'000'000}) == "-1.500000000");
  CHECK(to_decimal({-1, 999'999'999}) == "-0.000000001");
  CHECK(to_decimal({-1, 0}) == "-1.000000000");
  CHECK(to_decimal({kMost, 999'999'999}) == "9223372036854775807.999999999");
  CHECK(to_decimal({kLeast, 0}) == "-9223372036854775808.000000000");
  CHECK(to_decimal({kLeast, 1}) == "-9223372036854775807.999999999");
}

TEST_CASE("every time comes back from its decimal form", "[timestamp]") {
  for (const std::int64_t seconds :
       {kLeast, kLeast + 1, -86'401L, -2L, -1L, 0L, 1L, 253'402'300'800L, kMost - 1, kMost})
    for (const std::uint32_t nanoseconds : {0u, 1u, 100'000'000u, 500'000'000u, 999'999'999u}) {
      const Timestamp time{seconds, nanoseconds};
      INFO(to_decimal(time));
      CHECK(parse_decimal(to_decimal(time)) == time);
    }
}

TEST_CASE("a decimal time in any other spelling is refused", "[timestamp]") {
  for (const char* text : {"",
                           "-",
                           ".",
                           "1",
                           "1.",
                           "1.5",
                           "1.00000000",
                           "1.0000000000",
                           ".000000000",
                           "-.500000000",
                           "01.000000000",
                           "-0.000000000",
                           "+1.000000000",
                           " 1.000000000",
                           "1.000000000 ",
                           "1.-00000000",
                           "1.+00000001",
                           "1,000000000",
                           "1e5.000000000",
                           "--1.000000000",
                           "0x1.000000000",
                           "9223372036854775808.000000000",
                           "-9223372036854775808.000000001",
                           "-9223372036854775809.000000000",
                           "18446744073709551616.000000000",
                           "1.00000000a"}) {
    INFO(text);
    CHECK_FALSE(parse_decimal(text).has_value());
  }
}

TEST_CASE("times in order have decimal forms of their own", "[timestamp]") {
  CHECK(Timestamp{-2, 500'000'000} < Timestamp{-1, 0});
  CHECK(Timestamp{-1, 999'999'999} < Timestamp{0, 0});
}

TEST_CASE("a timespec comes back, and one with too many nanoseconds is set right", "[timestamp]") {
  const Timestamp time{-5, 123'456'789};
  CHECK(to_timestamp(to_timespec(time)) == time);
  timespec odd{};
  odd.tv_sec = 10;
  odd.tv_nsec = 2'000'000'001;
  CHECK(to_timestamp(odd) == Timestamp{12, 1});
}

TEST_CASE("moving a time stops at the ends instead of wrapping", "[timestamp]") {
  CHECK(plus_seconds({10, 7}, -11) == Timestamp{-1, 7});
  CHECK(plus_seconds({kMost - 1, 0}, 5) == Timestamp{kMost, 0});
  CHECK(plus_seconds({kLeast + 1, 0}, -5) == Timestamp{kLeast, 0});
}

TEST_CASE("RFC 3339 times are read with any offset and fraction", "[timestamp]") {
  CHECK(parse_rfc3339("1970-01-01T00:00:00Z") == Timestamp{0, 0});
  CHECK(parse_rfc3339("2014-01-25T11:00:00+01:00") == Timestamp{1'390'644'000, 0});
  CHECK(parse_rfc3339("2014-01-25t05:15:00-04:45") == Timestamp{1'390'644'000, 0});
  CHECK(parse_rfc3339("1969-12-31T23:59:58.5Z") == Timestamp{-2, 500'000'000});
  CHECK(parse_rfc3339("1970-01-01T00:00:00.1234567899z") == Timestamp{0, 123'456'789});
  CHECK(parse_rfc3339("2016-12-31T23:59:60Z") == Timestamp{1'483'228'800, 0});
  CHECK(parse_rfc3339("0000-03-01T00:00:00Z") == Timestamp{-62'162'035'200, 0});
  CHECK(parse_rfc3339("9999-12-31T23:59:59Z") == Timestamp{253'402'300'799, 0});
}

TEST_CASE("days exist by the Gregorian rule", "[timestamp]") {
  CHECK(parse_rfc3339("2000-02-29T00:00:00Z") == Timestamp{951'782'400, 0});
  CHECK(parse_rfc3339("2024-02-29T00:00:00Z").has_value());
  for (const char* day : {"1900-02-29", "2023-02-29", "2023-04-31", "2023-02-30", "2023-00-01",
                          "2023-13-01", "2023-01-00", "2023-01-32"}) {
    INFO(day);
    CHECK_FALSE(parse_rfc3339(std::string(day) + "T00:00:00Z").has_value());
  }
}

TEST_CASE("malformed RFC 3339 times are refused", "[timestamp]") {
  for (const char* text :
       {"", "2014-01-25", "2014-01-25T11:00:00", "2014-01-25 11:00:00Z", "2014-1-25T11:00:00Z",
        "2014-01-25T24:00:00Z", "2014-01-25T11:60:00Z", "2014-01-25T11:00:61Z",
        "2014-01-25T11:00:00.Z", "2014-01-25T11:00:00+0100", "2014-01-25T11:00:00+24:00",
        "2014-01-25T11:00:00+01:60", "2014-01-25T11:00:00Z ", "-014-01-25T11:00:00Z",
        "2014-01-25T11:00:00+01:00Z", "12014-01-25T11:00:00Z", "2014-01-25T11:00:0+Z"}) {
    INFO(text);
    CHECK_FALSE(parse_rfc3339(text).has_value());
  }
}

TEST_CASE("revision names hold UTC and come back", "[timestamp]") {
  CHECK(to_compact_utc({1'390'644'000, 999'999'999}) == "20140125T100000Z");
  CHECK(to_compact_utc({-1, 0}) == "19691231T235959Z");
  CHECK(parse_compact_utc("20140125T100000Z") == Timestamp{1'390'644'000, 0});
  for (const std::int64_t seconds :
       {-62'135'596'800L, -1L, 0L, 951'782'399L, 951'782'400L, 253'402'300'799L})
    CHECK(parse_compact_utc(to_compact_utc({seconds, 0})) == Timestamp{seconds, 0});
  for (const char* text :
       {"", "20140125T100000", "20140125T100000z", "20140229T100000Z", "20140125T100060Z",
        "20140125T1000000Z", "20140125 100000Z", "2014012ST100000Z"}) {
    INFO(text);
    CHECK_FALSE(parse_compact_utc(text).has_value());
  }
}

TEST_CASE("local times carry their offset", "[timestamp]") {
  const InZone zone("CET-1CEST,M3.5.0,M10.5.0/3");
  CHECK(to_rfc3339_local({1'390'644'000, 5}) == "2014-01-25T11:00:00+01:00");
  CHECK(to_rfc3339_local({1'406'278'800, 0}) == "2014-07-25T11:00:00+02:00");
  CHECK(to_display_local({1'390'644'000, 0}) == "2014-01-25 11:00:00 +0100");
  CHECK(to_compact_utc({1'390'644'000, 0}) == "20140125T100000Z");
}

TEST_CASE("the hour that an autumn night has twice is told apart", "[timestamp]") {
  const InZone zone("CET-1CEST,M3.5.0,M10.5.0/3");
  CHECK(to_rfc3339_local({1'414'283'400, 0}) == "2014-10-26T02:30:00+02:00");
  CHECK(to_rfc3339_local({1'414'287'000, 0}) == "2014-10-26T02:30:00+01:00");
}

TEST_CASE("offsets west of UTC and of half hours are written right", "[timestamp]") {
  CHECK((InZone("XXX3:30"), to_rfc3339_local({0, 0})) == "1969-12-31T20:30:00-03:30");
  CHECK((InZone("XXX0:30"), to_display_local({0, 0})) == "1969-12-31 23:30:00 -0030");
  CHECK((InZone("XXX-5:45"), to_rfc3339_local({0, 0})) == "1970-01-01T05:45:00+05:45");
}

TEST_CASE("local times name the same moment, also where an offset has seconds", "[timestamp]") {
  for (const char* name : {"XXX-0:53:28", "XXX4:56:02", "UTC0", "XXX-14"}) {
    const InZone zone(name);
    for (const std::int64_t seconds :
         {-3'000'000'000L, -1L, 0L, 1'390'644'000L, 253'402'000'000L}) {
      INFO(name << " " << seconds);
      CHECK(parse_rfc3339(to_rfc3339_local({seconds, 0})) == Timestamp{seconds, 0});
    }
  }
}

TEST_CASE("times far from ours are written, not refused", "[timestamp]") {
  const InZone zone("UTC0");
  CHECK(to_display_local({253'402'300'800, 0}) == "10000-01-01 00:00:00 +0000");
  CHECK(to_rfc3339_local({kMost, 0}) == "@9223372036854775807");
  CHECK(to_display_local({kLeast, 0}) == "@-9223372036854775808");
  CHECK(to_compact_utc({kMost, 0}) == "@9223372036854775807");
}

TEST_CASE("the zone's name is that of TZ where TZ holds one", "[timestamp]") {
  CHECK((InZone("Europe/Berlin"), local_zone_name()) == "Europe/Berlin");
  CHECK((InZone(":Europe/Berlin"), local_zone_name()) == "Europe/Berlin");
  CHECK((InZone("/usr/share/zoneinfo/America/Argentina/Salta"), local_zone_name()) ==
        "America/Argentina/Salta");
  CHECK((InZone(""), local_zone_name()) == "UTC");
}

TEST_CASE("a rule or a path in TZ is never taken for a zone's name", "[timestamp]") {
  for (const char* zone :
       {"CET-1CEST,M3.5.0,M10.5.0/3", "<+03>-3", ":/etc/localtime", "../../etc/passwd"}) {
    const InZone in(zone);
    INFO(zone);
    CHECK(local_zone_name() != zone);
    CHECK(local_zone_name().find_first_of("<,:. ") == std::string::npos);
  }
}

TEST_CASE("the clock runs in this century", "[timestamp]") {
  CHECK(now() > Timestamp{1'600'000'000, 0});
  CHECK(now() < Timestamp{4'102'444'800, 0});
}

}  // namespace reverse
