#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "libcore/backend/sftp/client.h"
#include "libcore/backend/sftp/out_window.h"

namespace reverse::sftp {

/// What a request counts for in `Windows::out_bytes`.
std::size_t weight_of(const Request& request);

/// The requests that were sent and not answered, by number, within the windows. One thread at a
/// time.
class UnderWay {
 public:
  explicit UnderWay(Windows windows);

  /// Bounds the replies that are expected at a time, in bytes.
  void bound_replies(std::size_t bytes) { reply_window_ = bytes; }

  /// False while a window is full. One request at least is always admitted.
  bool admits(const Request& request);
  /// Keeps whom to answer; the request's number, which no other has that is under way.
  std::uint32_t add(const Request& request, Client::Done done);

  struct Sent {
    PacketType type = PacketType::init;
    std::size_t weight = 0;
    std::size_t reply_bytes = 0;
    OutWindow::Clock::time_point time;
    std::uint64_t flight = 0;  ///< one later than the last that was answered when it was sent
    Client::Done done;
  };
  /// What was sent by this number; nullptr if nothing was. Valid until the next `add` or `take`.
  const Sent* find(std::uint32_t number) const;
  /// Takes out what `find` finds.
  Sent take(std::uint32_t number);
  bool is_empty() const { return count_ == 0; }
  /// Of all that is under way, as `weight_of` has it.
  std::size_t out_bytes() const { return out_bytes_; }
  /// The shortest that a request took; 0 before one was answered.
  OutWindow::Clock::duration round_trip() const { return out_window_.round_trip(); }
  bool has_extended() const { return extended_ > 0; }
  /// Takes out all there is.
  std::vector<Sent> take_all();

  /// The greeting, a flight like any other, was answered.
  void end_greeting() { answered_flight_ = std::max<std::uint64_t>(answered_flight_, 1); }
  /// The last flight of which something was answered.
  std::uint64_t answered_flight() const { return answered_flight_; }

 private:
  struct Slot {
    std::uint32_t number = 0;
    bool used = false;
    Sent sent;
  };

  OutWindow out_window_;
  std::size_t reply_window_ = 0;
  std::uint64_t answered_flight_ = 0;
  std::size_t count_ = 0, extended_ = 0, out_bytes_ = 0, reply_bytes_ = 0;
  std::vector<Slot> slots_;          ///< a number's slot is its remainder by their count
  std::vector<std::uint32_t> free_;  ///< indexes of slots
};

/// True if a reply of this type and status can be the answer to a request of that type.
bool answers(PacketType request, const Reply& reply);

}  // namespace reverse::sftp
