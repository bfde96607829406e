#include "libcore/cli/run_main.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stop_token>
#include <thread>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/heap.h"

namespace reverse {
namespace {

constexpr std::array kStopSignals{SIGINT, SIGTERM, SIGHUP};

// What signal handlers may touch.
std::atomic<int> stop_signal{0};  // what the process is to die by
std::atomic<int> wake_fd{-1};     // written to by handlers, read by the watcher
static_assert(std::atomic<int>::is_always_lock_free);

void wake_watcher(char what) {
  const int saved = errno;
  [[maybe_unused]] const ssize_t written = ::write(wake_fd, &what, 1);
  errno = saved;
}

void on_stop_signal(int signal) {
  if (int none = 0; stop_signal.compare_exchange_strong(none, signal)) return wake_watcher('s');
  // Asked twice: die at once. The signal is blocked here and strikes upon return.
  std::signal(signal, SIG_DFL);
  ::raise(signal);
}

void on_progress_signal(int) {
  wake_watcher('p');
}

// A handler, not SIG_IGN: children started by the tool get the default back.
void on_pipe_signal(int) {}

void handle(int signal, void (*handler)(int)) {
  struct ::sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(signal, &action, nullptr);
}

bool is_ignored(int signal) {
  struct ::sigaction action {};
  ::sigaction(signal, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}

/// A file opened later must never become a standard stream.
void open_missing_standard_fds() {
  while (true) {
    const int fd = ::open("/dev/null", O_RDWR);
    if (fd > STDERR_FILENO) ::close(fd);
    if (fd < 0 || fd > STDERR_FILENO) return;
  }
}

/// A walk keeps the directories of files that wait to be read open: more than the usual 1024.
void raise_open_file_limit() {
  ::rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

[[noreturn]] void die_by(int signal) {
  std::signal(signal, SIG_DFL);
  ::sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, signal);
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(signal);
  std::_Exit(128 + signal);  // not reached unless the kernel will not kill us (init of a container)
}

/// Turns what handlers write into stops and requests, until its end of the pipe is told to quit.
class SignalWatcher {
 public:
  SignalWatcher(std::stop_source& stop, ProgressRequests& requests) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno(errno, "make a pipe");
    read_end_ = UniqueFd(ends[0]);
    write_end_ = UniqueFd(ends[1]);
    wake_fd = write_end_.get();
    for (const int signal : kStopSignals)
      if (!is_ignored(signal)) handle(signal, on_stop_signal);
    handle(SIGUSR1, on_progress_signal);
    handle(SIGPIPE, on_pipe_signal);
    thread_ = std::thread([this, &stop, &requests] { watch(stop, requests); });
  }
  /// The handlers stay: a signal that comes now still decides how the process ends.
  ~SignalWatcher() {
    wake_watcher('q');
    thread_.join();
    wake_fd = -1;
  }
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  void watch(std::stop_source& stop, ProgressRequests& requests) {
    for (char what = 0; what != 'q';) {
      if (read_full(read_end_.get(), &what, 1, "the signal pipe") == 0) return;
      if (what == 's') stop.request_stop();
      if (what == 'p') requests.request();
    }
  }

  UniqueFd read_end_, write_end_;
  std::thread thread_;
};

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace

int run_main(int argc, char** argv, const ToolEntry& entry) {
  open_missing_standard_fds();
  raise_open_file_limit();
  prepare_heap();
  const std::vector<std::string> args(argv + (argc > 0 ? 1 : 0), argv + argc);
  std::stop_source stop;
  const auto reader_gone = [&stop] {
    int none = 0;
    stop_signal.compare_exchange_strong(none, SIGPIPE);
    stop.request_stop();
  };
  FdOut out(STDOUT_FILENO, "standard output", reader_gone);
  FdOut err(STDERR_FILENO, "standard error", reader_gone);
  ToolIo io{out, err, process_environment, stop.get_token()};
  io.in_fd = STDIN_FILENO;
  io.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  io.err_is_terminal = ::isatty(STDERR_FILENO) == 1;

  int code = 0;
  {
    const SignalWatcher watcher(stop, io.progress_requests);
    code = entry(args, io);
  }
  if (const int signal = stop_signal; signal != 0) die_by(signal);
  return code;
}

}  // namespace reverse
