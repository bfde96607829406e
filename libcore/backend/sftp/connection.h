#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/backend/sftp/exchange.h"
#include "libcore/backend/sftp/gathering.h"
#include "libcore/backend/sftp/packet_reader.h"
#include "libcore/backend/sftp/running_command.h"
#include "libcore/backend/sftp/under_way.h"
#include "libcore/base/error.h"

namespace reverse::sftp {

/// The side of a `Client` that runs in its thread: owns the link, moves packets and commands. One
/// thread.
class Connection {
 public:
  Connection(std::string host, Windows windows, Exchange& exchange, std::stop_token stop)
      : host_(std::move(host)),
        exchange_(exchange),
        stop_(std::move(stop)),
        under_way_(windows) {}

  /// Opens the link and serves the exchange until it is stopped or the connection is lost, then
  /// answers all that is left.
  void run(const Client::LinkOpener& open_link);

 private:
  void serve();
  bool send();
  bool waits_for_more();
  void fill();
  bool receive();
  void dispatch(ByteView packet);
  void greet(ByteView packet);
  [[noreturn]] void refuse_text();
  void start_commands();
  bool step_commands();
  void sleep();
  bool wants_something() const;
  void check_silence();
  std::optional<Link::Clock::time_point> silence_ends() const;
  Error describe(const Error& error);
  std::string last_words();
  void end_with(const Error& error);
  void end(std::exception_ptr failure, const std::string& reason);

  const std::string host_;
  Exchange& exchange_;
  const std::stop_token stop_;
  std::unique_ptr<Link> link_;
  std::unique_ptr<Stream> stream_;
  PacketReader reader_;
  UnderWay under_way_;
  std::deque<Queued> backlog_;  ///< not sent yet
  Gathering gathering_;         ///< of these
  std::vector<Order> orders_;   ///< not started yet
  std::vector<RunningCommand> commands_;
  std::string out_;  ///< being sent, from `sent_` on
  std::size_t sent_ = 0;
  bool greeted_ = false;
  Link::Clock::time_point greeting_deadline_;
  Link::Clock::time_point quiet_since_;  ///< something is wanted, and nothing has moved
};

}  // namespace reverse::sftp
