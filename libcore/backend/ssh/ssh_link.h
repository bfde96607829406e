#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "libcore/backend/sftp/link.h"

namespace reverse::ssh {

/// A server as named on the command line: ~/.ssh/config may say more about it.
struct Target {
  std::string host;
  std::string user;        ///< empty: as configured
  std::uint16_t port = 0;  ///< 0: as configured
};

struct ConnectOptions {
  /// Run instead of the library, as `CMD [-p PORT] [-l USER] -s -- HOST sftp` (split at blanks, no
  /// shell); empty: what serves best.
  std::string ssh_command;
  /// Read instead of ~/.ssh/config and the system's, as by `ssh -F`; empty: those.
  std::string config_file;
  /// Asks the person at the terminal; `echo`: whether the answer may be shown. nullopt, or no
  /// function: nobody can be asked.
  std::function<std::optional<std::string>(const std::string& question, bool echo)> ask;
  /// Told once what a person should know, as a host key met for the first time.
  std::function<void(const std::string& notice)> notice;
  /// A server from which no byte came for so long is given up; it is asked for a sign of life
  /// before.
  std::chrono::milliseconds dead_after = std::chrono::seconds(60);
  /// Compress what crosses, where the server can: for names, sums and pages. Contents of files
  /// would hardly shrink, and come slower. The user's configuration may ask for it as well; an
  /// `ssh_command` is left as it is.
  bool compress = false;
  /// Ends connecting and logging in where a server is waited for.
  std::stop_token stop;
};

/// Connects and logs in: by libssh, or by a child `ssh` where the user's configuration holds what
/// libssh would ignore (`ssh -G` tells), or where `ssh_command` says so. The child logs in when its
/// first stream is opened. Host keys are checked strictly: an unknown one is accepted, and kept in
/// known_hosts, only by a person at the terminal or where the configuration says so
/// (`StrictHostKeyChecking accept-new`); a changed one is fatal, and the message names the line to
/// remove.
///
/// Waits; for one thread, which owns the link from then on and must get no signals: libssh takes an
/// interrupted call for a broken connection. Throws `network` (unreachable: worth another try),
/// `permission` (login or host key refused: not worth one), `usage` (the configuration, or a name
/// that no host can have), `unsupported` (OpenSSH's client is needed and not installed).
std::unique_ptr<sftp::Link> open_link(const Target& target, const ConnectOptions& options);

}  // namespace reverse::ssh
