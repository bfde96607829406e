#include "libcore/backend/sftp/sftp_shell.h"

#include <algorithm>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"

namespace reverse::sftp {

/// One of those who may run a command now.
class SftpShell::Turn {
 public:
  Turn(SftpShell& shell, const std::stop_token& stop) : shell_(shell) {
    std::unique_lock lock(shell_.mutex_);
    shell_.changed_.wait(lock, stop, [&] { return shell_.running_ < shell_.most_; });
    throw_if_stopped(stop);
    ++shell_.running_;
  }
  ~Turn() {
    std::lock_guard lock(shell_.mutex_);
    --shell_.running_;
    shell_.changed_.notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  /// The server has refused it. False if it was the only one: then it will not be better later.
  bool make_way() {
    std::lock_guard lock(shell_.mutex_);
    const bool is_alone = shell_.running_ == 1;
    shell_.most_ = std::min(shell_.most_, std::max(1u, shell_.running_ - 1));
    return !is_alone;
  }

 private:
  SftpShell& shell_;
};

CommandEnd SftpShell::run(const RemoteCommand& command, const Output& output) {
  while (true) {
    Turn turn(*this, command.stop);
    Client& client = server_.pool().front();
    try {
      return client.run(command, output);
    } catch (const Error& error) {
      const bool is_refused = error.kind() == ErrorKind::busy;
      if (is_refused && turn.make_way()) continue;
      // An end that was never told, on a connection that lives on, is no reason for another one.
      if (error.kind() == ErrorKind::network && client.alive())
        fail(ErrorKind::io, "{}", error.what());
      throw;
    }
  }
}

}  // namespace reverse::sftp
