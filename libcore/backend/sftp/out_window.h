#pragma once

#include <chrono>
#include <cstddef>

namespace reverse::sftp {

/// How many bytes of requests may be under way on one connection: as many as the line has been carrying in one
/// round trip, a quarter more, and some more, so that it can show what else it carries. Further ones would only
/// wait in the server: OpenSSH's copies all that waits there whenever more comes, so that a server which cannot keep
/// up is slowed down by what it is sent. One thread at a time.
class OutWindow {
 public:
  using Clock = std::chrono::steady_clock;

  /// `most`: never more than that.
  explicit OutWindow(std::size_t most) : most_(most) {}

  std::size_t bytes() const;
  /// The shortest that a request took; 0 before one was answered.
  Clock::duration round_trip() const {
    return round_trip_ == Clock::duration::max() ? Clock::duration(0) : round_trip_;
  }
  /// A request waits because so much is under way. Where none did, there was no more to send: what
  /// was carried then tells nothing of what the line can carry.
  void note_full() { was_full_ = true; }
  /// A request of so many bytes was answered.
  void answered(std::size_t bytes, Clock::time_point sent, Clock::time_point now);

 private:
  const std::size_t most_;
  Clock::duration round_trip_ = Clock::duration::max();  ///< the shortest there was
  Clock::time_point begin_;                              ///< of what is being counted
  std::size_t counted_ = 0;                              ///< bytes
  bool was_full_ = false;                                ///< since `begin_`
  double carried_ = 0;                                   ///< bytes in a round trip
};

}  // namespace reverse::sftp
