#include "libcore/cli/tool_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/temp_dir.h"
#include "tests/support/tools/tool_harness.h"

using namespace reverse;

TEST_CASE("all that was written reaches the descriptor, in order and whole", "[cli]") {
  const TempDir scratch;
  const std::string path = scratch / "out";
  const UniqueFd fd = open_file(path, O_WRONLY | O_CREAT, 0600);
  FdOut out(fd.get(), "a file", [] {});
  const std::string large(300'000, 'x');
  out.write("first ");
  out.write(large);
  out.write(" last");
  out.flush();
  CHECK(read_file(path) == "first " + large + " last");
}

TEST_CASE("a full disk behind standard output is an error", "[cli]") {
  const UniqueFd fd = open_file("/dev/full", O_WRONLY);
  FdOut out(fd.get(), "standard output", [] {});
  out.write("text");
  CHECK_THROWS_WITH(out.flush(), Catch::Matchers::StartsWith("write to standard output: "));
  CHECK_FALSE(out.reader_gone());
}

TEST_CASE("a reader that is gone stops the writer once and is told of once", "[cli]") {
  ::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const UniqueFd write_end(ends[1]);
  ::close(ends[0]);
  int told = 0;
  FdOut out(write_end.get(), "standard output", [&] { ++told; });
  out.write("text");
  CHECK_THROWS_AS(out.flush(), Cancelled);
  CHECK(out.reader_gone());
  out.write("cleaning up may go on writing");
  CHECK_NOTHROW(out.flush());
  CHECK(told == 1);
  ::signal(SIGPIPE, SIG_DFL);
}

TEST_CASE("a request for progress is not lost if nobody waits yet", "[cli]") {
  using namespace std::chrono;
  ProgressRequests requests;
  requests.request();
  requests.request();
  const std::stop_token never;
  CHECK(requests.wait(steady_clock::now() + hours(1), never) == ProgressRequests::Wake::requested);
  CHECK(requests.wait(steady_clock::now(), never) == ProgressRequests::Wake::time);
}

TEST_CASE("a stop ends the wait for requests", "[cli]") {
  ProgressRequests requests;
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  CHECK(requests.wait(std::chrono::steady_clock::now() + std::chrono::hours(1), stop.get_token()) ==
        ProgressRequests::Wake::time);
}
