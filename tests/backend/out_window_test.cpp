#include "libcore/backend/sftp/gathering.h"
#include "libcore/backend/sftp/out_window.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>

namespace reverse::sftp {
namespace {

using namespace std::chrono_literals;
using Clock = OutWindow::Clock;

constexpr std::size_t kWrite = 64 << 10;
constexpr std::size_t kMost = 4 << 20;

struct Course {
  double speed = 0;           ///< bytes a second, of the second half
  std::size_t under_way = 0;  ///< the most that was, in it
};

/// A client that sends as much as its window admits to a server that takes so many bytes a second, one request after
/// the other. Nothing waits for a clock.
class Traffic {
 public:
  Course send_for(Clock::duration time, Clock::duration round_trip, double speed) {
    const auto work = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(kWrite / speed));
    const Clock::time_point half = now_ + time / 2, end = now_ + time;
    Course course;
    while (now_ < end) {
      while (under_way_.empty() || (under_way_.size() + 1) * kWrite <= window_.bytes()) {
        idle_ = std::max(idle_, now_ + round_trip / 2) + work;
        under_way_.push_back({now_, idle_ + round_trip / 2});
      }
      window_.note_full();
      if (now_ >= half) course.under_way = std::max(course.under_way, under_way_.size() * kWrite);
      now_ = under_way_.front().answered;
      window_.answered(kWrite, under_way_.front().sent, now_);
      under_way_.pop_front();
      if (now_ >= half) course.speed += kWrite;
    }
    course.speed /= std::chrono::duration<double>(time / 2).count();
    return course;
  }

 private:
  struct Sent {
    Clock::time_point sent, answered;
  };
  OutWindow window_{kMost};
  Clock::time_point now_{1h};
  Clock::time_point idle_ = now_;  // the server, from then on
  std::deque<Sent> under_way_;
};

TEST_CASE("what is under way fills a line of any length, and leaves little to wait in the server", "[sftp]") {
  struct Line {
    Clock::duration round_trip;
    double speed;
  };
  for (const Line& line : {Line{50us, 300e6}, Line{1ms, 100e6}, Line{50ms, 1e6}, Line{50ms, 30e6}, Line{200ms, 5e6}}) {
    const Course course = Traffic().send_for(10s, line.round_trip, line.speed);
    const double on_the_line = line.speed * std::chrono::duration<double>(line.round_trip).count();
    CHECK(course.speed >= 0.97 * line.speed);
    CHECK(static_cast<double>(course.under_way) <= 1.3 * on_the_line + (320 << 10));
  }
}

TEST_CASE("more than was allowed is never under way, however fast and long the line", "[sftp]") {
  CHECK(Traffic().send_for(10s, 200ms, 1e9).under_way <= kMost);
}

TEST_CASE("a line that becomes faster is used to the full, and one that becomes slower waits for little", "[sftp]") {
  Traffic traffic;
  traffic.send_for(5s, 50ms, 5e6);
  CHECK(traffic.send_for(5s, 50ms, 40e6).speed >= 0.97 * 40e6);
  CHECK(traffic.send_for(20s, 50ms, 5e6).under_way <= (1 << 20));
}

TEST_CASE("a long line is used from the beginning", "[sftp]") {
  OutWindow window(kMost);
  window.answered(20, Clock::time_point{1h}, Clock::time_point{1h} + 50ms);
  CHECK(window.bytes() >= (640 << 10));
  // Questions that come one by one do not show what it carries.
  for (int i = 1; i <= 100; ++i)
    window.answered(20, Clock::time_point{1h} + i * 60ms, Clock::time_point{1h} + i * 60ms + 50ms);
  CHECK(window.bytes() >= (640 << 10));
}

TEST_CASE("small requests of a long line wait for each other while others are under way", "[sftp]") {
  constexpr std::size_t kSmall = 4000, kMuch = 100'000;
  Gathering gathering;
  Clock::time_point now;
  const auto waits = [&](std::size_t waiting, std::size_t under_way, Clock::duration round_trip) {
    return gathering.waits(waiting, under_way, round_trip, now);
  };
  SECTION("until some time has gone by") {
    CHECK(waits(kSmall, kMuch, 50ms));
    CHECK(gathering.end() == now + 5ms);
    now += 4ms;
    CHECK(waits(2 * kSmall, kMuch, 50ms));
    now += 1ms;
    CHECK_FALSE(waits(3 * kSmall, kMuch, 50ms));
    CHECK(gathering.end() == std::nullopt);
  }
  SECTION("or there are enough of them") {
    CHECK(waits(kSmall, kMuch, 50ms));
    CHECK_FALSE(waits(kMuch, kMuch, 50ms));
    CHECK(gathering.end() == std::nullopt);
  }
  SECTION("but nobody waits alone, nor on a near line, nor where it is not known") {
    CHECK_FALSE(waits(kSmall, kSmall, 50ms));
    CHECK_FALSE(waits(kSmall, kMuch, 1ms));
    CHECK_FALSE(waits(kSmall, kMuch, 0ms));
    CHECK_FALSE(waits(0, kMuch, 50ms));
  }
}

}  // namespace
}  // namespace reverse::sftp
