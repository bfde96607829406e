#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"

namespace reverse {

/// A child process that runs a function and then exits, killed if it is still there on destruction.
/// Fork before opening anything of SQLite: its handles must not be used across a fork.
class Child {
 public:
  template <typename Body>
  explicit Child(Body&& body) : pid_(::fork()) {
    if (pid_ < 0) throw_errno(errno, "fork");
    if (pid_ > 0) return;
    try {
      body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "child: %s\n", error.what());
      ::_exit(1);
    }
    ::_exit(0);
  }
  ~Child() {
    if (pid_ > 0) kill();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Ends it as a power cut would, without any chance to tidy up.
  void kill() {
    ::kill(pid_, SIGKILL);
    exit_code();
  }
  /// Waits for its end: 0 if the function returned, 1 if it threw, -1 if a signal ended it.
  int exit_code() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0)
      if (errno != EINTR) throw_errno(errno, "waitpid");
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_;
};

/// Something that one process does and another waits for, at most 30 s. Made before the fork.
class Signal {
 public:
  Signal() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) throw_errno(errno, "pipe");
    receiver_ = UniqueFd(fds[0]);
    giver_ = UniqueFd(fds[1]);
  }
  void give() { write_full(giver_.get(), "!", "signal"); }
  void await() {
    pollfd ready{receiver_.get(), POLLIN, 0};
    char byte;
    if (::poll(&ready, 1, 30'000) != 1 || read_full(receiver_.get(), &byte, 1, "signal") != 1)
      fail(ErrorKind::internal, "no signal came");
  }

 private:
  UniqueFd receiver_, giver_;
};

}  // namespace reverse
