#include "libcore/backend/sftp/gathering.h"

#include <algorithm>

namespace reverse::sftp {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t kBusy = 16 << 10;
constexpr int kRoundTripParts = 10;  // one of them may be waited
constexpr milliseconds kShortest{1}, kLongest{5};  // what a thread can sleep; what adds up

}  // namespace

bool Gathering::waits(std::size_t waiting, std::size_t under_way, Clock::duration round_trip,
                      Clock::time_point now) {
  const auto time = std::min<Clock::duration>(round_trip / kRoundTripParts, kLongest);
  const bool is_small = waiting > 0 && waiting < kEnough;
  if (is_small && under_way >= kBusy && time >= kShortest) {
    if (!end_) end_ = now + time;
    if (now < *end_) return true;
  }
  end_.reset();
  return false;
}

}  // namespace reverse::sftp
