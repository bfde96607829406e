#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "libcore/base/fd.h"

namespace reverse::sftp {

/// Which process group a child belongs to: signals of the terminal go to all of ours.
enum class Group { own, ours };

/// A child process and our ends of its standard pipes, which never wait. One thread at a time.
class ChildProcess {
 public:
  /// Starts `argv`. Throws "start 'PROGRAM': …".
  ChildProcess(const std::vector<std::string>& argv, Group group);
  /// Closes the pipes, gives the child time to end, then ends it: SIGTERM, SIGKILL.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  UniqueFd in, out, err;  ///< its standard input, output, error
  /// Its exit code, or 128 + the signal that ended it; nullopt while it runs.
  std::optional<int> exit_code();

 private:
  bool ends_within(std::chrono::milliseconds time);
  void signal(int number);

  pid_t pid_ = -1;
  Group group_;
  std::optional<int> exit_code_;
};

}  // namespace reverse::sftp
