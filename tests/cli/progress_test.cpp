#include "libcore/cli/progress.h"

#include <catch2/catch.hpp>
#include <future>
#include <nlohmann/json.hpp>

#include "libcore/cli/cli_observer.h"
#include "tests/support/tools/tool_harness.h"

using namespace reverse;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Catch::Matchers::Matches;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

ProgressSnapshot halfway() {
  ProgressSnapshot now;
  now.total_bytes = 200 * kMiB;
  now.bytes_done = 100 * kMiB;
  now.bytes_sent = 40 * kMiB;
  now.total_files = 61204;
  now.files_done = 4120;
  return now;
}

/// Counts polls and lets a test wait for one.
struct Polls {
  std::promise<void> first;
  int count = 0;
  ProgressSnapshot operator()() {
    if (count++ == 0) first.set_value();
    return halfway();
  }
};

/// What a printer writes that is asked once by SIGUSR1's way.
ToolRun printed_on_request(const CommonOptions& options, bool terminal) {
  StringOut out, err;
  ToolIo io{out, err, {}, {}};
  io.err_is_terminal = terminal;
  Output output(io, options, "reverse-test");
  Polls polls;
  io.progress_requests.request();
  {
    ProgressPrinter printer(io, output, options, [&] { return polls(); });
    polls.first.get_future().wait();
  }
  return {0, out.text(), err.text()};
}

}  // namespace

TEST_CASE("progress is told in one line of words", "[cli]") {
  CHECK(progress_text(halfway(), 10.0 * kMiB) ==
        "sent 100 of 200 MiB (50 %), 10.0 MiB/s, 10 s left; 4,120 of 61,204 files; 0 errors");
}

TEST_CASE("what is unknown is left out", "[cli]") {
  ProgressSnapshot now;
  now.verb = "restored";
  now.bytes_done = 100 * kMiB;
  now.files_done = 3;
  now.errors = 2;
  CHECK(progress_text(now, std::nullopt) == "restored 100 MiB; 3 files; 2 errors");
}

TEST_CASE("different units are both named", "[cli]") {
  ProgressSnapshot now = halfway();
  now.total_bytes = 300 * 1024 * kMiB;
  CHECK_THAT(progress_text(now, std::nullopt), Contains("100 MiB of 300 GiB (0 %)"));
}

TEST_CASE("a total that turns out too small never shows more than all", "[cli]") {
  ProgressSnapshot now = halfway();
  now.bytes_done = 300 * kMiB;
  CHECK_THAT(progress_text(now, 1.0 * kMiB), Contains("(100 %)") && !Contains("left"));
}

TEST_CASE("the bar fits its terminal and escapes the current file", "[cli]") {
  ProgressSnapshot now = halfway();
  now.current_file = "b\x1b[2J/caf\xc3\xa9";
  const std::string wide = progress_bar(now, 10.0 * kMiB, 200);
  CHECK_THAT(wide, Contains("[==========          ] sent 100 of 200 MiB") && Contains("\\x1b[2J"));
  for (std::size_t columns : {1u, 20u, 79u, 120u})
    CHECK(display_width(progress_bar(now, 10.0 * kMiB, columns)) <= columns);
}

TEST_CASE("the rate is that of the last half minute", "[cli]") {
  RateMeter rate;
  const RateMeter::Clock::time_point start{};
  CHECK_FALSE(rate.bytes_per_second());
  rate.sample(start, 0);
  CHECK_FALSE(rate.bytes_per_second());
  for (int second = 1; second <= 60; ++second) rate.sample(start + 1s * second, 1000);
  CHECK_FALSE(rate.bytes_per_second());  // nothing moved lately
  for (int second = 61; second <= 100; ++second)
    rate.sample(start + 1s * second, 1000u + 50u * unsigned(second - 60));
  CHECK(rate.bytes_per_second().value() == Approx(50));
}

TEST_CASE("seldom samples still give a rate", "[cli]") {
  RateMeter rate;
  const RateMeter::Clock::time_point start{};
  rate.sample(start, 0);
  rate.sample(start + 300s, 3000);
  CHECK(rate.bytes_per_second().value() == Approx(10));
  rate.sample(start + 600s, 9000);
  CHECK(rate.bytes_per_second().value() == Approx(20));
}

TEST_CASE("status objects hold restic's names", "[cli]") {
  ProgressSnapshot now = halfway();
  now.current_file = "a";
  const auto object = nlohmann::json::parse(progress_json(now, 10.0 * kMiB, 20s).text());
  CHECK(object == nlohmann::json::parse(R"({"message_type":"status","phase":"backup",
    "seconds_elapsed":20.0,"seconds_remaining":10.0,"percent_done":0.5,"total_files":61204,
    "files_done":4120,"total_bytes":209715200,"bytes_done":104857600,"bytes_sent":41943040,
    "error_count":0,"current_files":["a"]})"));
}

TEST_CASE("a request prints a line with the time of day at once", "[cli]") {
  const ToolRun run = printed_on_request({}, false);
  CHECK_THAT(run.err,
             Matches("[0-2][0-9]:[0-5][0-9] sent 100 of 200 MiB (.|\n)*files; 0 errors\n"));
  CHECK(run.out.empty());
}

TEST_CASE("a request is answered even where progress is not wanted", "[cli]") {
  CommonOptions options;
  options.quiet = true;
  CHECK_THAT(printed_on_request(options, true).err, Contains("sent 100 of 200 MiB"));
}

TEST_CASE("a request under --json is answered by an object on stdout", "[cli]") {
  CommonOptions options;
  options.json = true;
  options.progress = false;
  const ToolRun run = printed_on_request(options, false);
  CHECK(nlohmann::json::parse(run.out)["message_type"] == "status");
  CHECK(run.err.empty());
}

TEST_CASE("the bar is gone when the work is done", "[cli]") {
  const ToolRun run = printed_on_request({}, true);
  CHECK_THAT(run.err, Contains("[=====") && Catch::Matchers::EndsWith("\r\x1b[K"));
}

TEST_CASE("a terminal that goes away does not end the work", "[cli]") {
  StringOut out;
  ClosedOut err;
  ToolIo io{out, err, {}, {}};
  io.err_is_terminal = true;
  Output output(io, {}, "reverse-test");
  Polls polls;
  {
    ProgressPrinter printer(io, output, {}, [&] { return polls(); });
    polls.first.get_future().wait();
  }
  CHECK(polls.count >= 1);
}

TEST_CASE("an observer's counts become a snapshot", "[cli]") {
  StringOut out, err;
  ToolIo io{out, err, {}, {}};
  Output output(io, {}, "reverse-test");
  CliObserver observer(output, false);
  observer.progress.files = 3;
  observer.progress.bytes = 10;
  observer.progress.total_bytes = 20;
  observer.progress.errors = 1;
  const ProgressSnapshot now = observer.snapshot("restore", "restored");
  CHECK(progress_text(now, std::nullopt) == "restored 10 of 20 B (50 %); 3 files; 1 errors");
  CHECK(now.phase == "restore");
}
