#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "libcore/cli/common_options.h"
#include "libcore/cli/output.h"
#include "libcore/cli/tool_io.h"

namespace reverse {

/// Where an operation is. Totals of 0 are unknown.
struct ProgressSnapshot {
  std::string phase = "backup";  ///< for programs
  std::string verb = "sent";     ///< for people: what happened to `bytes_done`
  std::uint64_t total_bytes = 0, bytes_done = 0, bytes_sent = 0;
  std::uint64_t total_files = 0, files_done = 0;
  std::uint64_t errors = 0;
  std::string current_file;  ///< raw; may be empty
};

/// Bytes per second over the last half minute. One thread at a time.
class RateMeter {
 public:
  using Clock = std::chrono::steady_clock;
  void sample(Clock::time_point at, std::uint64_t bytes);
  /// nullopt until there is something to tell.
  std::optional<double> bytes_per_second() const;

 private:
  struct Sample {
    Clock::time_point at;
    std::uint64_t bytes;
  };
  std::deque<Sample> samples_;
};

/// "sent 31.2 of 198.1 GiB (16 %), 88 MiB/s, 32 min left; 4,120 of 61,204 files; 0 errors"; what is
/// unknown is left out.
std::string progress_text(const ProgressSnapshot& now, std::optional<double> bytes_per_second);
/// One line of at most `columns` for a terminal: a bar where the total is known, then the text
/// above and the current file as far as they fit.
std::string progress_bar(const ProgressSnapshot& now, std::optional<double> bytes_per_second,
                         std::size_t columns);
/// The `status` object.
JsonLine progress_json(const ProgressSnapshot& now, std::optional<double> bytes_per_second,
                       std::chrono::duration<double> elapsed);

/// Shows progress while it lives, from a thread of its own: a bar at a terminal, elsewhere a line
/// with the time of day every five minutes or `--progress-interval`, `status` objects under
/// `--json`. A request (SIGUSR1) prints a line at once, even where `-q` or `--no-progress` keep all
/// else away.
class ProgressPrinter {
 public:
  /// Called from the printer's thread.
  using Poll = std::function<ProgressSnapshot()>;
  ProgressPrinter(ToolIo& io, Output& output, const CommonOptions& options, Poll poll);
  /// Stops the thread and takes the bar away.
  ~ProgressPrinter();
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;

 private:
  enum class Form { none, bar, lines, json };
  void run(const std::stop_token& stop);
  void show(bool requested);
  std::chrono::milliseconds pause() const;

  ToolIo& io_;
  Output& output_;
  Poll poll_;
  Form form_;
  bool json_;
  std::optional<std::chrono::seconds> interval_;
  std::chrono::steady_clock::time_point started_;
  RateMeter rate_;
  std::jthread thread_;  // last: stops before the rest goes
};

}  // namespace reverse
