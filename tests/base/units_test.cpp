#include "libcore/base/units.h"

#include <catch2/catch.hpp>

namespace reverse {

using std::chrono::seconds;

TEST_CASE("byte counts show three digits and step to the next unit when rounding does", "[units]") {
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(1023) == "1023 B");
  CHECK(format_bytes(1024) == "1.00 KiB");
  CHECK(format_bytes(50'436'506) == "48.1 MiB");
  CHECK(format_bytes(10'234) == "9.99 KiB");
  CHECK(format_bytes(10'239) == "10.0 KiB");
  CHECK(format_bytes(102'399) == "100 KiB");
  CHECK(format_bytes((1 << 20) - 600) == "1023 KiB");
  CHECK(format_bytes((1 << 20) - 1) == "1.00 MiB");
  CHECK(format_bytes(std::uint64_t{1} << 40) == "1.00 TiB");
  CHECK(format_bytes(UINT64_MAX) == "16.0 EiB");
}

TEST_CASE("counts have a comma at every third digit", "[units]") {
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(1000) == "1,000");
  CHECK(format_count(61'210) == "61,210");
  CHECK(format_count(123'456) == "123,456");
  CHECK(format_count(UINT64_MAX) == "18,446,744,073,709,551,615");
}

TEST_CASE("durations never show sixty of anything", "[units]") {
  using Duration = std::chrono::duration<double>;
  CHECK(format_duration(Duration(0)) == "0.0 s");
  CHECK(format_duration(Duration(-3)) == "0.0 s");
  CHECK(format_duration(Duration(4.2)) == "4.2 s");
  CHECK(format_duration(Duration(59.94)) == "59.9 s");
  CHECK(format_duration(Duration(59.96)) == "1 min 00 s");
  CHECK(format_duration(Duration(200)) == "3 min 20 s");
  CHECK(format_duration(Duration(119.6)) == "2 min 00 s");
  CHECK(format_duration(Duration(3599.6)) == "1 h 00 min");
  CHECK(format_duration(Duration(7500)) == "2 h 05 min");
  CHECK(format_duration(Duration(7199)) == "2 h 00 min");
  CHECK(format_duration(Duration(360'000)) == "100 h 00 min");
}

TEST_CASE("sizes are bytes or have a unit of 1024", "[units]") {
  CHECK(parse_size("0") == 0u);
  CHECK(parse_size("512") == 512u);
  CHECK(parse_size("1K") == 1024u);
  CHECK(parse_size("3M") == 3u << 20);
  CHECK(parse_size("2G") == std::uint64_t{2} << 30);
  CHECK(parse_size("5T") == std::uint64_t{5} << 40);
  CHECK(parse_size("8388608T") == std::uint64_t{1} << 63);
  CHECK(parse_size("9223372036854775808") == std::uint64_t{1} << 63);
}

TEST_CASE("malformed and too large sizes are refused", "[units]") {
  for (const char* text : {"", "K", "1k", "1KiB", "1 K", "-1", "+1", "1.5G", "01", "1KK", "1P",
                           "8388609T", "9223372036854775809", "99999999999999999999", "1K "}) {
    INFO(text);
    CHECK_FALSE(parse_size(text).has_value());
  }
}

TEST_CASE("durations are a number and a unit of fixed length", "[units]") {
  CHECK(parse_duration("0") == seconds(0));
  CHECK(parse_duration("0d") == seconds(0));
  CHECK(parse_duration("45s") == seconds(45));
  CHECK(parse_duration("15min") == seconds(900));
  CHECK(parse_duration("2h") == seconds(7200));
  CHECK(parse_duration("3d") == seconds(259'200));
  CHECK(parse_duration("2w") == seconds(1'209'600));
}

TEST_CASE("months, years and malformed durations are refused", "[units]") {
  for (const char* text : {"", "5", "1m", "1y", "1mo", "h", "-1h", "1.5h", "1 h", "1h30min", "1H",
                           "01h", "9223372036854775807w", "99999999999999999999s"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text).has_value());
  }
}

}  // namespace reverse
