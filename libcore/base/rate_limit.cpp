#include "libcore/base/rate_limit.h"

#include <algorithm>
#include <condition_variable>

#include "libcore/base/stop.h"

namespace reverse {

namespace {

constexpr std::chrono::seconds kAtOnce{1};  // so much may go without a pause after a silence

}  // namespace

RateLimit::Clock::duration RateLimit::take(std::uint64_t bytes, Clock::time_point now) {
  const std::chrono::duration<double> needed(static_cast<double>(bytes) / rate_);
  std::lock_guard lock(mutex_);
  gone_ = std::max(gone_, now - kAtOnce) + std::chrono::duration_cast<Clock::duration>(needed);
  return std::max(gone_ - now, Clock::duration::zero());
}

void RateLimit::wait(std::uint64_t bytes, const std::stop_token& stop) {
  const Clock::duration pause = take(bytes, Clock::now());
  if (pause == Clock::duration::zero()) return;
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, pause, [] { return false; });
  throw_if_stopped(stop);
}

}  // namespace reverse
