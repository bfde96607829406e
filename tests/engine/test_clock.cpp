#include "tests/engine/test_clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

namespace {

std::atomic<long> ahead_seconds{0};

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
