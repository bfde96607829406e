#include "tests/engine/test_clock.h"

#define CATCH_CONFIG_EXTERNAL_INTERFACES  // listeners

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>

namespace {

std::atomic<long> ahead_seconds{0};

/// Every run of a test begins with the kernel's time.
struct ResetClock : Catch::TestEventListenerBase {
  using TestEventListenerBase::TestEventListenerBase;
  void sectionStarting(const Catch::SectionInfo&) override {
    if (depth_++ == 0) ahead_seconds = 0;
  }
  void sectionEnded(const Catch::SectionStats&) override { --depth_; }

 private:
  int depth_ = 0;
};
CATCH_REGISTER_LISTENER(ResetClock)

}  // namespace

/// Stands before the C library's function of this name for the whole program.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const long result = ::syscall(SYS_clock_gettime, clock, time);
  if (result == 0 && clock == CLOCK_REALTIME) time->tv_sec += ahead_seconds;
  return static_cast<int>(result);
}

namespace reverse {

void advance_clock(int seconds) {
  ahead_seconds += seconds;
}

}  // namespace reverse
