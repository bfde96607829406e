#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace reverse {

/// Runs a program to its end. Throws unless it exits with 0; what it prints goes nowhere.
void run_program(const std::vector<std::string>& argv);

/// A server of this test: a child process that listens on 127.0.0.1, and the processes it starts.
/// Ends with this object. One thread at a time.
class ServerProcess {
 public:
  struct Program {
    std::vector<std::string> argv;         ///< the first is a path
    std::vector<std::string> environment;  ///< added to ours: "NAME=value"
  };

  /// Starts `program(port)` on a free port, its output going to `log`, and waits until it accepts
  /// connections. Throws with the log if it ends before.
  ServerProcess(const std::function<Program(std::uint16_t port)>& program, std::string log);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  std::uint16_t port() const { return port_; }
  /// What it has printed so far.
  std::string log() const;

  /// Ends it and all it has started, at once.
  void kill();
  /// Ends what it has started, as the processes that serve its connections. It goes on listening.
  void kill_connections();
  /// Has it and all it has started do nothing until `thaw`; the kernel keeps the connections.
  void freeze();
  void thaw();

 private:
  bool start(const Program& program);
  std::vector<pid_t> descendants() const;
  void signal_all(int signal);

  const std::string log_;
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace reverse
