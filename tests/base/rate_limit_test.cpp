#include "libcore/base/rate_limit.h"

#include <catch2/catch.hpp>

#include "libcore/base/error.h"

using namespace reverse;
using std::chrono::milliseconds;

namespace {

constexpr RateLimit::Clock::time_point kNow{std::chrono::hours(1)};

milliseconds pause_of(RateLimit& limit, std::uint64_t bytes, milliseconds later) {
  return std::chrono::duration_cast<milliseconds>(limit.take(bytes, kNow + later));
}

}  // namespace

TEST_CASE("a second's worth goes at once, and then as much as the rate allows", "[base]") {
  RateLimit limit(1000);
  CHECK(pause_of(limit, 600, milliseconds(0)) == milliseconds(0));
  CHECK(pause_of(limit, 400, milliseconds(0)) == milliseconds(0));
  CHECK(pause_of(limit, 500, milliseconds(0)) == milliseconds(500));
  CHECK(pause_of(limit, 250, milliseconds(500)) == milliseconds(250));  // behind what came before
  CHECK(pause_of(limit, 100, milliseconds(10'000)) == milliseconds(0));
}

TEST_CASE("silence saves up no more than a second's worth", "[base]") {
  RateLimit limit(1000);
  limit.take(1, kNow);
  CHECK(pause_of(limit, 3000, milliseconds(3'600'000)) == milliseconds(2000));
}

TEST_CASE("what is too much for a second waits as long as it takes, unless told to stop", "[base]") {
  RateLimit limit(1);
  std::stop_source stop;
  stop.request_stop();
  CHECK_THROWS_AS(limit.wait(1 << 20, stop.get_token()), Cancelled);
}
