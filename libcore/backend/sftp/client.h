#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "libcore/backend/remote_shell.h"
#include "libcore/backend/sftp/link.h"
#include "libcore/backend/sftp/packet.h"

namespace reverse::sftp {

/// Bounds of what is under way on one connection, besides `Link::reply_window` and `OutWindow`. A thread that submits waits while one is reached.
struct Windows {
  std::size_t requests = 4096;
  std::size_t out_bytes = 4 << 20;   ///< queued and sent, unanswered
};

struct CommandResult {
  int exit_code = 0;
  std::string output;  ///< standard output
  std::string errors;  ///< standard error's last 4 KiB
};

/// One SFTP connection: a thread of its own moves the packets of any number of requests at once, in the order of their submission.
/// When the connection is lost every request under way is answered by `lost`, and so is every later one at once.
/// Thread-safe. The destructor answers what is under way by `lost`, then closes.
class Client {
 public:
  /// Runs in the connection's thread, or in the submitting one where the connection is lost already: it must not wait, it may submit,
  /// and it must not throw.
  using Done = std::function<void(Reply&&)>;
  using LinkOpener = std::function<std::unique_ptr<Link>()>;

  /// Starts the thread, which opens the link (possibly asking for a passphrase), the SFTP subsystem, and greets. `host` is for messages.
  /// Once `stop` is requested, a server that says nothing for a second while something is wanted of it counts as a lost connection:
  /// who wants something then gets `Cancelled`.
  Client(std::string host, LinkOpener open_link, Windows windows = {}, std::stop_token stop = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Waits for the server's greeting. Throws what opening the link threw; `network` with what the server said if it sent no SFTP.
  const ServerVersion& version();
  /// The server's limits@openssh.com, or what every server takes. Asked for with the greeting: no round trip of its own.
  const ServerLimits& limits();
  bool offers(const std::string& extension) { return version().extensions.contains(extension); }

  /// Queues a request. Waits while a window is full, but never within a `Done`.
  void submit(Request request, Done done);
  /// `submit`, and waits for the reply. Throws `network` if the connection is lost; other failures are the reply's.
  Reply call(Request request);
  /// Runs a command beside the SFTP stream; see `RemoteShell`.
  CommandEnd run(const RemoteCommand& command, const RemoteShell::Output& output);
  /// Likewise, and keeps all that it prints.
  CommandResult run(const std::string& command, ByteView input = {});

  /// False once the connection is lost.
  bool alive() const;
  /// True once the server has greeted and told its limits; stays so when the connection is lost.
  bool was_ready() const;
  /// Why it was lost; "" while it is alive.
  std::string loss() const;
  /// Round trips so far: a request belongs to the flight after the last one of which something had been answered when it was sent.
  /// Over a line that takes no time all is answered at once, and there are more. For tests and the bench.
  std::uint64_t flights() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace reverse::sftp
