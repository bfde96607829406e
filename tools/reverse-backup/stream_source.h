#pragma once

#include <sys/types.h>

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/base/bytes.h"
#include "libcore/base/fd.h"

namespace reverse {

/// Bytes from a descriptor, or from a command whose failure is an error at the end of the stream.
/// One thread.
class StreamReader : public ByteSource {
 public:
  /// Reads `fd`, which stays the caller's.
  StreamReader(int fd, std::stop_token stop);
  /// Runs `sh -c COMMAND` and reads what it prints; its standard error is ours.
  StreamReader(const std::string& command, std::stop_token stop);
  /// A command that still runs is killed.
  ~StreamReader() override;

  /// What is there, as soon as something is. Throws `io` if reading fails, or if the command ends
  /// with another code than 0; `Cancelled` while it waits.
  ByteView next() override;

 private:
  void await_input() const;
  void end_command();

  std::stop_token stop_;
  UniqueFd pipe_;
  int fd_;
  std::string command_;
  pid_t child_ = -1;
  std::vector<char> buffer_;
};

}  // namespace reverse
