#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

namespace reverse::sftp {

/// Small requests of a long line are sent together: what comes bit by bit costs OpenSSH's server more than the requests do, since all that
/// waits there is copied whenever more comes. Only while so much is under way that nobody waits for one request alone. One thread at a time.
class Gathering {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kEnough = 32 << 10;  ///< bytes that wait for no more: what one SSH packet takes

  /// Whether requests of `waiting` bytes should wait for more to go with, where `under_way` bytes were sent and not answered.
  /// `round_trip`: 0 where it is not known.
  bool waits(std::size_t waiting, std::size_t under_way, Clock::duration round_trip, Clock::time_point now);
  /// When it ends at the latest; nullopt while nothing waits.
  std::optional<Clock::time_point> end() const { return end_; }

 private:
  std::optional<Clock::time_point> end_;
};

}  // namespace reverse::sftp
