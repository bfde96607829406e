#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <stop_token>

namespace reverse {

/// So many bytes a second: a token bucket that holds what may go in one second. Thread-safe.
class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;

  /// `rate`: bytes a second, not 0.
  explicit RateLimit(std::uint64_t rate) : rate_(static_cast<double>(rate)) {}

  /// Counts `bytes` that come at `now`; how long they must wait. Those that came before go first.
  Clock::duration take(std::uint64_t bytes, Clock::time_point now);
  /// Counts `bytes` that come now, and waits. Throws `Cancelled`.
  void wait(std::uint64_t bytes, const std::stop_token& stop);

 private:
  const double rate_;
  std::mutex mutex_;
  Clock::time_point gone_;  ///< when all that was counted will have gone; by `mutex_`
};

}  // namespace reverse
