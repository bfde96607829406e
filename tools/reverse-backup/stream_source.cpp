#include "tools/reverse-backup/stream_source.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"

extern char** environ;

namespace reverse {

namespace {
constexpr std::size_t kBuffer = 1 << 20;
constexpr int kStopCheck = 100;  // ms between looks at the stop token while nothing comes
}  // namespace

StreamReader::StreamReader(int fd, std::stop_token stop)
    : stop_(std::move(stop)), fd_(fd), buffer_(kBuffer) {}

StreamReader::StreamReader(const std::string& command, std::stop_token stop)
    : stop_(std::move(stop)), command_(command), buffer_(kBuffer) {
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
  ssize_t size = 0;
  do {
    await_input();
    size = ::read(fd_, buffer_.data(), buffer_.size());
  } while (size < 0 && (errno == EINTR || errno == EAGAIN));
  if (size < 0) throw_errno(errno, "read standard input");
  if (size == 0 && child_ >= 0) end_command();
  return {buffer_.data(), static_cast<std::size_t>(size)};
}

/// A stream may stand still for hours, so nothing must be inside `read` when a stop is requested.
void StreamReader::await_input() const {
  pollfd input{fd_, POLLIN, 0};
  do throw_if_stopped(stop_);
  while (::poll(&input, 1, kStopCheck) <= 0);
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
