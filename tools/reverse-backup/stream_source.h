#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
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
  explicit StreamReader(int fd);
  /// Runs `sh -c COMMAND` and reads what it prints; its standard error is ours.
  explicit StreamReader(const std::string& command);
  /// A command that still runs is killed.
  ~StreamReader() override;

  /// Throws `io` if reading fails, or if the command ends with another code than 0.
  ByteView next() override;

 private:
  void end_command();

  UniqueFd pipe_;
  int fd_;
  std::string command_;
  pid_t child_ = -1;
  std::vector<char> buffer_;
};

}  // namespace reverse
