#include "libcore/backend/sftp/child_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <thread>

#include "libcore/base/error.h"

namespace reverse::sftp {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTimeToEnd{1000};
constexpr milliseconds kTimeToTerminate{500};
constexpr milliseconds kLongestPoll{20};

struct Pipe {
  UniqueFd read, write;
};

Pipe make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) throw_errno(errno, "create pipe");
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

void make_nonblocking(const UniqueFd& fd) {
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) throw_errno(errno, "set up pipe");
}

/// What posix_spawn needs, set up for one child.
class SpawnPlan {
 public:
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void give(const UniqueFd& fd, int as) {
    ::posix_spawn_file_actions_adddup2(&actions_, fd.get(), as);
  }
  /// Signals as in a fresh process whatever this thread blocks or handles; nothing else open.
  void isolate(Group group) {
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    sigset_t signals;
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&attributes_, &signals);
    ::sigaddset(&signals, SIGPIPE);
    ::sigaddset(&signals, SIGTERM);
    ::posix_spawnattr_setsigdefault(&attributes_, &signals);
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (group == Group::own) flags |= POSIX_SPAWN_SETPGROUP;
    ::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
  }
  pid_t spawn(const std::vector<std::string>& argv) {
    std::vector<char*> words;
    for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    pid_t pid = -1;
    const int code = ::posix_spawnp(&pid, words[0], &actions_, &attributes_, words.data(), environ);
    if (code != 0) throw_errno(code, fmt::format("start '{}'", argv[0]));
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& argv, Group group) : group_(group) {
  Pipe input = make_pipe(), output = make_pipe(), errors = make_pipe();
  SpawnPlan plan;
  plan.give(input.read, STDIN_FILENO);
  plan.give(output.write, STDOUT_FILENO);
  plan.give(errors.write, STDERR_FILENO);
  plan.isolate(group);
  pid_ = plan.spawn(argv);
  in = std::move(input.write);
  out = std::move(output.read);
  err = std::move(errors.read);
  for (const UniqueFd* fd : {&in, &out, &err}) make_nonblocking(*fd);
}

ChildProcess::~ChildProcess() {
  in.reset();
  out.reset();
  err.reset();
  if (ends_within(kTimeToEnd)) return;
  signal(SIGTERM);
  if (ends_within(kTimeToTerminate)) return;
  signal(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::optional<int> ChildProcess::exit_code() {
  int status = 0;
  if (exit_code_ || ::waitpid(pid_, &status, WNOHANG) != pid_) return exit_code_;
  exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return exit_code_;
}

bool ChildProcess::ends_within(milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  for (milliseconds pause{1}; !exit_code(); pause = std::min(pause * 2, kLongestPoll)) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(pause);
  }
  return true;
}

/// To the whole group where it is the child's own: a shell's children must not outlive it.
void ChildProcess::signal(int number) {
  ::kill(group_ == Group::own ? -pid_ : pid_, number);
}

}  // namespace reverse::sftp
