#pragma once

#include <memory>
#include <optional>
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
  /// True once who gave the order has the answer, or wants none.
  bool finished() const { return finished_; }
  /// When it has to be looked at again, whatever comes.
  Link::Clock::time_point deadline() const;
  /// True if it has input that could not be sent yet.
  bool wants_to_write() const { return sent_ < order_.command.input.size(); }
  /// Tells who gave the order that this became of it.
  void fail_with(std::exception_ptr failure);

 private:
  void check_time() const;
  bool feed();
  bool collect();
  void finish();

  std::unique_ptr<Stream> stream_;
  Order order_;
  std::size_t sent_ = 0, printed_ = 0;  ///< bytes of input and output
  bool input_open_ = true, ended_ = false, finished_ = false;
  std::optional<Link::Clock::time_point> time_limit_;
  Link::Clock::time_point
      patience_;  ///< until then the exit code is waited for; set once the output has ended
};

}  // namespace reverse::sftp
