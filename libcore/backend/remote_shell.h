#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "libcore/base/bytes.h"

namespace reverse {

/// A command for the machine that holds a repository.
struct RemoteCommand {
  std::string line;   ///< for the account's shell, whichever that is
  std::string input;  ///< its standard input
  /// How long it may take; unset: it may be silent for as long as the connection lives.
  std::optional<std::chrono::milliseconds> timeout = {};
  std::stop_token stop = {};
};

struct CommandEnd {
  int exit_code = 0;   ///< or 128 + the signal that ended it
  std::string errors;  ///< standard error's last 4 KiB
};

/// Runs commands on the machine that holds a repository. Thread-safe.
class RemoteShell {
 public:
  using Output = std::function<void(ByteView)>;

  virtual ~RemoteShell() = default;

  /// Runs a command to its end. What it prints goes to `output` as it comes, in this thread; what
  /// that throws ends the command. Throws `usage` or `busy` where the server runs none, `io` where
  /// this one took or printed too much, `network` where the connection is lost (part of the output
  /// may have come by then), `Cancelled`.
  virtual CommandEnd run(const RemoteCommand& command, const Output& output) = 0;

  /// The repository's directory as SFTP names it: absolute, or relative to where a login begins.
  /// Commands may see the file system otherwise.
  virtual std::string root() const = 0;
};

}  // namespace reverse
