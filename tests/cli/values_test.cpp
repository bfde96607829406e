#include "libcore/cli/values.h"

#include <catch2/catch.hpp>

#include "libcore/base/error.h"

using namespace reverse;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

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

TEST_CASE("sizes are bytes or have a unit of 1024", "[cli]") {
  CHECK(size_value("0") == 0);
  CHECK(size_value("10K") == 10240);
  CHECK(size_value("2G") == 2ull << 30);
  for (const char* bad : {"", "x", "-1", "1KB", "1 K", "99999999999T"})
    CHECK_THAT(refusal(size_value, bad), Contains("is not a size"));
}

TEST_CASE("counts are plain numbers", "[cli]") {
  CHECK(count_value("12") == 12);
  for (const char* bad : {"", "-1", "+1", "1x", "99999999999999999999"})
    CHECK_THAT(refusal(count_value, bad), Contains("is not a number"));
}

TEST_CASE("durations of fixed length refuse months, and say why", "[cli]") {
  CHECK(duration_value("30min") == 30min);
  CHECK(duration_value("1w") == 168h);
  CHECK(duration_value("0") == 0s);
  CHECK_THAT(refusal(duration_value, "2m"), Contains("month") && Contains("min"));
  CHECK_THAT(refusal(duration_value, "1y"), Contains("year"));
  for (const char* bad : {"", "5", "h", "5 h", "-5h", "5hours"})
    CHECK_THAT(refusal(duration_value, bad), Contains("is not a duration"));
}

TEST_CASE("a host's name is one word without slashes", "[cli]") {
  CHECK(host_value("laptop") == "laptop");
  CHECK_THROWS_AS(host_value(""), Error);
  CHECK_THROWS_AS(host_value("a/b"), Error);
}
