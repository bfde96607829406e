#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "libcore/backend/sftp/client.h"
#include "libcore/backend/sftp/command_answer.h"

namespace reverse::sftp {

/// A request and who gets its reply.
struct Queued {
  Request request;
  Client::Done done;
};

/// A command to run, and who waits for its answer.
struct Order {
  RemoteCommand command;
  std::shared_ptr<CommandAnswer> answer;
};

/// While one lives, its thread answers requests: submitting does not wait.
class Answering {
 public:
  Answering();
  ~Answering();
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;
  static bool here();
};

/// Calls `done` with a reply that says that the connection was lost, and why.
void answer_lost(const Client::Done& done, const std::string& reason);

/// Where those who submit meet the connection's thread. Thread-safe.
class Exchange {
 public:
  explicit Exchange(Windows windows) : windows_(windows) {}

  // For all threads; see Client.
  void submit(Queued queued);
  void submit(Order order);
  const ServerVersion& version();
  const ServerLimits& limits();
  bool alive() const;
  bool was_ready() const;
  std::string loss() const;
  std::uint64_t flights() const { return flights_; }
  /// Throws why the connection was lost. Only after it was.
  [[noreturn]] void throw_loss() const;
  /// Has the connection's thread look at its commands: somebody has given one up.
  void look_again();
  /// Asks the connection's thread to end.
  void stop();

  // For the connection's thread.
  /// From now on the link is woken when there is something new.
  void attach(Link& link);
  /// Appends what was submitted. False if the thread is to end.
  bool collect(std::deque<Queued>& requests, std::vector<Order>& orders);
  /// Whether to wait now: false if there is something new. Until the next `collect` a new order
  /// wakes the link, a new request too if `for_requests`.
  bool fall_asleep(bool for_requests);
  void greeted(ServerVersion version);
  void told(ServerLimits limits);
  /// So many requests were answered, which weighed so much.
  void answered(std::size_t requests, std::size_t weight);
  void tell_flights(std::uint64_t flights) { flights_ = flights; }
  /// Ends it all: later requests are answered at once, and the link is woken no more. `reason` in
  /// words.
  void lose(std::exception_ptr failure, std::string reason);

 private:
  bool fits(const Request& request) const;
  void wait_for(std::unique_lock<std::mutex>& lock, const bool& ready);
  void wake_if(bool wanted);

  const Windows windows_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;  ///< greeted, told or lost
  std::condition_variable roomy_;    ///< a window has room again
  Link* link_ = nullptr;
  bool stop_ = false, lost_ = false, greeted_ = false, told_ = false;
  bool asleep_ = false, wake_for_requests_ = false;
  std::deque<Queued> submitted_;
  std::vector<Order> orders_;
  std::size_t requests_ = 0, weight_ = 0;  ///< submitted and not answered
  ServerVersion version_;                  ///< constant once greeted
  ServerLimits limits_;                    ///< constant once told
  std::exception_ptr failure_;             ///< constant once lost, like its words
  std::string reason_;
  std::atomic<std::uint64_t> flights_ = 0;
};

}  // namespace reverse::sftp
