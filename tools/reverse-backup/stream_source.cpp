#include "tools/reverse-backup/stream_source.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

extern char** environ;

namespace reverse {

namespace {
constexpr std::size_t kBuffer = 1 << 20;
}  // namespace

StreamReader::StreamReader(int fd) : fd_(fd), buffer_(kBuffer) {}

StreamReader::StreamReader(const std::string& command) : command_(command), buffer_(kBuffer) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno(errno, "make a pipe");
  pipe_ = UniqueFd(ends[0]);
  UniqueFd write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  const char* arguments[] = {"sh", "-c", command_.c_str(), nullptr};
  int failed =
      ::posix_spawn(&child_, "/bin/sh", &actions, nullptr, const_cast<char**>(arguments), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    child_ = -1;
    throw_errno(failed, fmt::format("run '{}'", printable(command_)));
  }
  fd_ = pipe_.get();
}

StreamReader::~StreamReader() {
  if (child_ < 0) return;
  ::kill(child_, SIGTERM);
  ::waitpid(child_, nullptr, 0);
}

ByteView StreamReader::next() {
  std::size_t size = read_full(fd_, buffer_.data(), buffer_.size(), "standard input");
  if (size == 0 && child_ >= 0) end_command();
  return {buffer_.data(), size};
}

void StreamReader::end_command() {
  int status = 0;
  while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
  }
  child_ = -1;
  if (WIFSIGNALED(status))
    fail(ErrorKind::io, "'{}' was killed by signal {}: nothing is published", printable(command_),
         WTERMSIG(status));
  if (WEXITSTATUS(status) != 0)
    fail(ErrorKind::io, "'{}' failed with exit code {}: nothing is published", printable(command_),
         WEXITSTATUS(status));
}

}  // namespace reverse
