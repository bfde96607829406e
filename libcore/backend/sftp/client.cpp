#include "libcore/backend/sftp/client.h"

#include <pthread.h>

#include <csignal>
#include <thread>

#include "libcore/backend/sftp/connection.h"
#include "libcore/backend/sftp/exchange.h"
#include "libcore/base/error.h"

namespace reverse::sftp {

namespace {

/// While one lives its thread, and those it starts, get no signals: an interrupted system call is a
/// broken connection to some links.
class WithoutSignals {
 public:
  WithoutSignals() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~WithoutSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  WithoutSignals(const WithoutSignals&) = delete;
  WithoutSignals& operator=(const WithoutSignals&) = delete;

 private:
  sigset_t before_;
};

/// Waits for one reply.
class Mailbox {
 public:
  void put(Reply&& reply) {
    std::lock_guard lock(mutex_);
    reply_ = std::move(reply);
    came_.notify_one();  // under the lock: who waits destroys this as soon as it can
  }
  Reply take() {
    std::unique_lock lock(mutex_);
    came_.wait(lock, [&] { return reply_.has_value(); });
    return std::move(*reply_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::optional<Reply> reply_;
};

}  // namespace

class Client::Impl {
 public:
  Impl(std::string host, LinkOpener open_link, Windows windows, std::stop_token stop)
      : exchange_(windows),
        connection_(std::move(host), windows, exchange_, std::move(stop)) {
    WithoutSignals scope;
    thread_ = std::jthread([this, open = std::move(open_link)] { connection_.run(open); });
  }
  ~Impl() { exchange_.stop(); }
  Exchange& exchange() { return exchange_; }

 private:
  Exchange exchange_;
  Connection connection_;
  std::jthread thread_;  ///< last: joined before the others go
};

Client::Client(std::string host, LinkOpener open_link, Windows windows, std::stop_token stop)
    : impl_(std::make_unique<Impl>(std::move(host), std::move(open_link), windows,
                                   std::move(stop))) {}

Client::~Client() = default;

const ServerVersion& Client::version() {
  return impl_->exchange().version();
}
const ServerLimits& Client::limits() {
  return impl_->exchange().limits();
}

void Client::submit(Request request, Done done) {
  impl_->exchange().submit({std::move(request), std::move(done)});
}

Reply Client::call(Request request) {
  if (Answering::here()) fail(ErrorKind::internal, "an SFTP call waits where replies are handled");
  Mailbox mailbox;
  submit(std::move(request), [&mailbox](Reply&& reply) { mailbox.put(std::move(reply)); });
  Reply reply = mailbox.take();
  if (reply.lost) impl_->exchange().throw_loss();
  return reply;
}

CommandResult Client::run(const std::string& command, ByteView input) {
  CommandResult result;
  CommandEnd end = run({.line = command, .input = std::string(input)},
                       [&](ByteView bytes) { result.output.append(bytes); });
  result.exit_code = end.exit_code;
  result.errors = std::move(end.errors);
  return result;
}

CommandEnd Client::run(const RemoteCommand& command, const RemoteShell::Output& output) {
  const auto answer = std::make_shared<CommandAnswer>();
  impl_->exchange().submit(Order{command, answer});
  try {
    while (std::optional<std::string> bytes = answer->next(command.stop)) output(*bytes);
    return answer->end();
  } catch (...) {
    answer->give_up();
    impl_->exchange().look_again();
    throw;
  }
}

bool Client::alive() const {
  return impl_->exchange().alive();
}
bool Client::was_ready() const {
  return impl_->exchange().was_ready();
}
std::string Client::loss() const {
  return impl_->exchange().loss();
}
std::uint64_t Client::flights() const {
  return impl_->exchange().flights();
}

}  // namespace reverse::sftp
