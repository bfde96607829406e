#include "libcore/cli/run_main.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"

using namespace reverse;

namespace {

/// A child process that runs `entry` under `run_main`, with pipes for its streams.
class Child {
 public:
  explicit Child(
      const ToolEntry& entry, const std::function<void()>& before = [] {}) {
    int out[2], err[2];
    REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(err, O_CLOEXEC) == 0);
    out_ = UniqueFd(out[0]);
    err_ = UniqueFd(err[0]);
    const UniqueFd out_end(out[1]), err_end(err[1]);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ > 0) return;
    out_.reset();
    err_.reset();
    ::dup2(out_end.get(), STDOUT_FILENO);
    ::dup2(err_end.get(), STDERR_FILENO);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_DFL);
    before();
    std::string name = "reverse-test";
    char* argv[] = {name.data(), nullptr};
    std::_Exit(run_main(1, argv, entry));
  }
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  /// Waits until the child has written `bytes` bytes to stdout.
  std::string await(std::size_t bytes) {
    std::string text(bytes, '\0');
    text.resize(read_full(out_.get(), text.data(), bytes, "stdout"));
    return text;
  }
  void kill(int signal) { REQUIRE(::kill(pid_, signal) == 0); }
  void close_stdout() { out_.reset(); }

  /// All of its stderr; waits for its end.
  std::string errors() {
    std::string text(4096, '\0');
    text.resize(read_full(err_.get(), text.data(), text.size(), "stderr"));
    return text;
  }
  /// How it ended: an exit code, or 1000 + the signal that killed it.
  int end() {
    int status = 0;
    REQUIRE(::waitpid(std::exchange(pid_, -1), &status, 0) > 0);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  UniqueFd out_, err_;
  ::pid_t pid_ = -1;
};

void say(ToolIo& io, const std::string& word) {
  io.out.write(word);
  io.out.flush();
}

void wait_for_stop(ToolIo& io) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait(lock, io.stop, [] { return false; });
}

}  // namespace

TEST_CASE("the tool's code is the program's", "[cli]") {
  Child child([](auto, ToolIo&) { return 75; });
  CHECK(child.end() == 75);
}

TEST_CASE("a tool told to stop cleans up, then dies by the signal it got", "[cli]") {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    Child child([](auto, ToolIo& io) {
      say(io, "ready");
      wait_for_stop(io);
      say(io, "clean");
      return kStoppedCode;
    });
    CHECK(child.await(5) == "ready");
    child.kill(signal);
    CHECK(child.await(5) == "clean");
    CHECK(child.end() == 1000 + signal);
  }
}

TEST_CASE("a second signal kills at once", "[cli]") {
  Child child([](auto, ToolIo& io) {
    say(io, "ready");
    wait_for_stop(io);
    say(io, "stuck");
    while (true) ::pause();
    return 0;
  });
  CHECK(child.await(5) == "ready");
  child.kill(SIGINT);
  CHECK(child.await(5) == "stuck");
  child.kill(SIGTERM);
  CHECK(child.end() == 1000 + SIGTERM);
}

TEST_CASE("a signal that was ignored stays so", "[cli]") {
  Child child(
      [](auto, ToolIo& io) {
        ::raise(SIGHUP);
        return io.stop.stop_requested() ? 1 : 0;
      },
      [] { ::signal(SIGHUP, SIG_IGN); });
  CHECK(child.end() == 0);
}

TEST_CASE("a tool whose reader is gone cleans up, then dies by SIGPIPE without a word", "[cli]") {
  Child writer([](auto, ToolIo& io) {
    int code = 0;
    try {
      while (true) say(io, "line\n");
    } catch (const Cancelled&) {
      code = io.stop.stop_requested() ? kStoppedCode : 1;
      say(io, "nobody reads this");
    }
    return code;
  });
  CHECK(writer.await(5) == "line\n");
  writer.close_stdout();
  CHECK(writer.errors().empty());
  CHECK(writer.end() == 1000 + SIGPIPE);
}

TEST_CASE("SIGUSR1 asks for progress and ends nothing", "[cli]") {
  Child child([](auto, ToolIo& io) {
    say(io, "ready");
    const auto wake = io.progress_requests.wait(
        std::chrono::steady_clock::now() + std::chrono::minutes(5), io.stop);
    return wake == ProgressRequests::Wake::requested ? 7 : 1;
  });
  CHECK(child.await(5) == "ready");
  child.kill(SIGUSR1);
  CHECK(child.end() == 7);
}

TEST_CASE("programs started by a tool find signals as they are by default", "[cli]") {
  Child child([](auto, ToolIo&) {
    for (const char* signal : {"INT", "TERM", "HUP", "PIPE", "USR1"}) {
      const int status = std::system(fmt::format("kill -{} $$; exit 1", signal).c_str());
      if (!WIFSIGNALED(status)) return 1;
    }
    return 0;
  });
  CHECK(child.end() == 0);
}

TEST_CASE("files never take the place of a missing standard stream", "[cli]") {
  Child child(
      [](auto, ToolIo&) { return open_file("/dev/zero", O_RDONLY).get() > STDERR_FILENO ? 0 : 1; },
      [] {
        ::close(STDIN_FILENO);
        ::close(STDERR_FILENO);
      });
  CHECK(child.end() == 0);
}
