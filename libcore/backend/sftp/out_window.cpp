#include "libcore/backend/sftp/out_window.h"

#include <algorithm>

namespace reverse::sftp {

namespace {

constexpr std::size_t kRoom = 192 << 10;  // bytes, whatever the line has shown
constexpr double kGrowth = 1.25;
constexpr double kAssumed = 8e6;  // bytes a second, until it is known: several connections carry several times as much
constexpr double kKept = 0.75;  // of what was carried before, where less came since: it may soon be more again
constexpr std::chrono::milliseconds kShortest{5};  // time to count in: else a pause of the machine counts too much

}  // namespace

std::size_t OutWindow::bytes() const {
  return std::min(most_, kRoom + static_cast<std::size_t>(kGrowth * carried_));
}

void OutWindow::answered(std::size_t bytes, Clock::time_point sent, Clock::time_point now) {
  using Seconds = std::chrono::duration<double>;
  const bool is_first = round_trip_ == Clock::duration::max();
  round_trip_ = std::min(round_trip_, now - sent);
  if (is_first) carried_ = kAssumed * Seconds(round_trip_).count();
  const bool was_idle = counted_ == 0 && sent >= begin_;
  if (was_idle) begin_ = now;
  counted_ += bytes;
  const Clock::duration time = now - begin_;
  if (time < std::max<Clock::duration>(round_trip_, kShortest)) return;
  const double carried = static_cast<double>(counted_) * (Seconds(round_trip_) / Seconds(time));
  carried_ = std::max(carried, was_full_ ? kKept * carried_ : carried_);
  was_full_ = false;
  counted_ = 0;
  begin_ = now;
}

}  // namespace reverse::sftp
