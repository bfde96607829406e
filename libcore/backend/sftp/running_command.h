#pragma once

#include <memory>
#include <string>

#include "libcore/backend/sftp/exchange.h"
#include "libcore/backend/sftp/link.h"

namespace reverse::sftp {

/// A command on the server, moved on bit by bit beside other traffic. One thread at a time, that of
/// its link.
class RunningCommand {
 public:
  RunningCommand(std::unique_ptr<Stream> stream, Order order);

  /// Moves what can be moved without waiting, up to a chunk each way; true if anything was.
  /// Failures go to who gave the order.
  bool step();
  /// True once who gave the order has the result. The order's input is not touched any more.
  bool finished() const { return finished_; }
  /// True if it has input that could not be sent yet.
  bool wants_to_write() const { return !order_.input.empty(); }
  /// True if only its exit code is waited for.
  bool ended() const { return ended_; }
  /// Tells who gave the order that this became of it.
  void fail_with(std::exception_ptr failure);

 private:
  bool feed();
  bool collect();
  void finish();

  std::unique_ptr<Stream> stream_;
  Order order_;
  std::string output_;
  bool input_open_ = true, ended_ = false, finished_ = false;
  Link::Clock::time_point
      patience_;  ///< until then the exit code is waited for; set once the output has ended
};

}  // namespace reverse::sftp
