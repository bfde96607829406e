#include "libcore/backend/sftp/child_link.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "libcore/backend/sftp/child_process.h"
#include "libcore/base/error.h"

namespace reverse::sftp {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::size_t kLastWords = 4096;
/// How often to look whether a child whose output has ended has ended too: no descriptor tells.
constexpr milliseconds kExitPoll{5};

/// While one lives, writing to a pipe without reader raises no signal in this thread: the program's
/// own standard output may deserve one.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    ::sigemptyset(&sigpipe_);
    ::sigaddset(&sigpipe_, SIGPIPE);
    sigset_t before;
    ::pthread_sigmask(SIG_BLOCK, &sigpipe_, &before);
    blocked_before_ = ::sigismember(&before, SIGPIPE) == 1;
  }
  ~WithoutSigpipe() {
    if (blocked_before_) return;
    const timespec at_once{};
    while (::sigtimedwait(&sigpipe_, nullptr, &at_once) > 0) continue;
    ::pthread_sigmask(SIG_UNBLOCK, &sigpipe_, nullptr);
  }
  WithoutSigpipe(const WithoutSigpipe&) = delete;
  WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;

 private:
  sigset_t sigpipe_;
  bool blocked_before_ = false;
};

bool try_again(int code) {
  return code == EAGAIN || code == EINTR;
}

[[noreturn]] void broken(std::string_view act) {
  const int code = errno;
  try {
    throw_errno(code, act);
  } catch (const Error& error) {
    throw Error(ErrorKind::network, error.what());
  }
}

timespec until(Link::Clock::time_point deadline) {
  const nanoseconds left = std::max(nanoseconds(0), nanoseconds(deadline - Link::Clock::now()));
  constexpr long kSecond = 1'000'000'000;
  return {.tv_sec = left.count() / kSecond, .tv_nsec = left.count() % kSecond};
}

}  // namespace

class ChildLink::Child : public Stream {
 public:
  Child(ChildLink& link, const std::vector<std::string>& argv, Group group)
      : link_(link), process_(argv, group) {
    link_.children_.push_back(this);
  }
  ~Child() override { std::erase(link_.children_, this); }

  std::size_t try_write(ByteView bytes) override {
    WithoutSigpipe scope;
    const ssize_t size = ::write(process_.in.get(), bytes.data(), bytes.size());
    if (size < 0 && !try_again(errno)) broken("write to child process");
    const auto written = static_cast<std::size_t>(std::max<ssize_t>(size, 0));
    full_ = written < bytes.size();
    return written;
  }

  void end_input() override {
    process_.in.reset();
    full_ = false;
  }

  std::optional<std::size_t> try_read(std::span<char> room) override {
    if (ended_) return std::nullopt;
    const ssize_t size = ::read(process_.out.get(), room.data(), room.size());
    if (size < 0 && !try_again(errno)) broken("read from child process");
    ended_ = size == 0;
    if (ended_) return std::nullopt;
    return static_cast<std::size_t>(std::max<ssize_t>(size, 0));
  }

  std::optional<int> exit_code() override { return process_.exit_code(); }

  std::string last_words() override {
    listen();
    return words_;
  }

  /// Reads what it says on standard error, so that it can go on saying it.
  void listen() {
    char chunk[kLastWords];
    ssize_t size = 0;
    while (process_.err && (size = ::read(process_.err.get(), chunk, sizeof chunk)) > 0) {
      words_.append(chunk, static_cast<std::size_t>(size));
      if (words_.size() > kLastWords) words_.erase(0, words_.size() - kLastWords);
    }
    if (size == 0 || !try_again(errno)) process_.err.reset();
  }

  /// What to wait for.
  void add_to(std::vector<pollfd>& polled, bool to_write) const {
    if (!ended_) polled.push_back({.fd = process_.out.get(), .events = POLLIN, .revents = 0});
    if (process_.err) polled.push_back({.fd = process_.err.get(), .events = POLLIN, .revents = 0});
    if (to_write && full_)
      polled.push_back({.fd = process_.in.get(), .events = POLLOUT, .revents = 0});
  }
  /// True if its output has ended, and nobody knows yet how it did.
  bool is_ending() { return ended_ && !process_.exit_code(); }

 private:
  ChildLink& link_;
  ChildProcess process_;
  bool full_ = false;  ///< it took less than it was given
  bool ended_ = false;
  std::string words_;
};

ChildLink::ChildLink(std::vector<std::string> sftp_argv, std::vector<std::string> run_prefix,
                     Asking asking, std::optional<milliseconds> patience)
    : sftp_argv_(std::move(sftp_argv)),
      run_prefix_(std::move(run_prefix)),
      asking_(asking),
      patience_(patience),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_) throw_errno(errno, "create eventfd");
}

ChildLink::~ChildLink() = default;

std::unique_ptr<Stream> ChildLink::open_sftp() {
  return start(sftp_argv_);
}

std::unique_ptr<Stream> ChildLink::run(const std::string& command) {
  if (run_prefix_.empty()) fail(ErrorKind::usage, "no commands can be run over this connection");
  std::vector<std::string> argv = run_prefix_;
  argv.push_back(command);
  return start(argv);
}

std::unique_ptr<Stream> ChildLink::start(const std::vector<std::string>& argv) {
  if (asking_ == Asking::never) return std::make_unique<Child>(*this, argv, Group::own);
  // Only a shell can start a program that ignores signals without this process ignoring them for a
  // moment.
  std::vector<std::string> shell = {"sh", "-c", "trap '' INT QUIT; exec \"$@\"", "sh"};
  shell.insert(shell.end(), argv.begin(), argv.end());
  return std::make_unique<Child>(*this, shell, Group::ours);
}

void ChildLink::wait(bool to_write, Clock::time_point deadline) {
  std::vector<pollfd> polled = {{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
  for (Child* child : children_) {
    child->add_to(polled, to_write);
    if (child->is_ending()) deadline = std::min(deadline, Clock::now() + kExitPoll);
  }
  const timespec timeout = until(deadline);
  const int ready = ::ppoll(polled.data(), polled.size(), &timeout, nullptr);
  if (ready < 0 && errno != EINTR) throw_errno(errno, "poll");
  if (ready <= 0) return;
  if (polled[0].revents != 0) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t size = ::read(wake_.get(), &count, sizeof count);
  }
  for (Child* child : children_) child->listen();
}

void ChildLink::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = ::write(wake_.get(), &one, sizeof one);
}

}  // namespace reverse::sftp
