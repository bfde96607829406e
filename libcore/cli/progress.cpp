#include "libcore/cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/base/timestamp.h"
#include "libcore/base/units.h"

namespace reverse {
namespace {

using namespace std::chrono_literals;

constexpr auto kRateWindow = 30s;
constexpr auto kBarPause = 200ms;
constexpr auto kJsonPause = 1s;
constexpr auto kLinePause = 5min;
// The bar is left out where less than this would be left for words.
constexpr std::size_t kBarWidth = 20;

std::string_view unit_of(std::string_view size) {
  return size.substr(size.find(' '));
}

/// "31.2 of 198.1 GiB"; the first unit is left out where both are the same.
std::string part_of_bytes(std::uint64_t done, std::uint64_t total) {
  std::string first = format_bytes(done);
  const std::string second = format_bytes(total);
  if (unit_of(first) == unit_of(second)) first.erase(first.find(' '));
  return first + " of " + second;
}

/// How much of the work is done, 0 to 1; by bytes, or by files where no bytes are expected.
std::optional<double> fraction_done(const ProgressSnapshot& now) {
  const auto part = [](std::uint64_t done, std::uint64_t total) {
    return std::min(1.0, double(done) / double(total));
  };
  if (now.total_bytes > 0) return part(now.bytes_done, now.total_bytes);
  if (now.total_files > 0) return part(now.files_done, now.total_files);
  return std::nullopt;
}

std::optional<std::chrono::duration<double>> time_left(const ProgressSnapshot& now,
                                                       std::optional<double> rate) {
  if (!rate || *rate < 1 || now.total_bytes <= now.bytes_done) return std::nullopt;
  return std::chrono::duration<double>(double(now.total_bytes - now.bytes_done) / *rate);
}

/// Coarse on purpose: "10 s", "32 min", "2 h 05 min".
std::string left_text(std::chrono::duration<double> left) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(left);
  if (seconds < 1min) return fmt::format("{} s", seconds.count());
  const auto minutes = std::chrono::ceil<std::chrono::minutes>(left);
  if (minutes < 1h) return fmt::format("{} min", minutes.count());
  return format_duration(minutes);
}

std::string clock_time() {
  return to_display_local(now()).substr(11, 5);
}

std::size_t terminal_columns() {
  ::winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

/// `text` cut to `columns` characters.
std::string cut(std::string_view text, std::size_t columns) {
  std::size_t end = 0;
  for (; end < text.size(); ++end)
    if ((text[end] & 0xc0) != 0x80 && columns-- == 0) break;
  return std::string(text.substr(0, end));
}

}  // namespace

void RateMeter::sample(Clock::time_point at, std::uint64_t bytes) {
  samples_.push_back({at, bytes});
  while (samples_.size() > 2 && samples_[1].at <= at - kRateWindow) samples_.pop_front();
}

std::optional<double> RateMeter::bytes_per_second() const {
  if (samples_.size() < 2 || samples_.back().bytes <= samples_.front().bytes) return std::nullopt;
  const std::chrono::duration<double> time = samples_.back().at - samples_.front().at;
  if (time <= 0s) return std::nullopt;
  return double(samples_.back().bytes - samples_.front().bytes) / time.count();
}

std::string progress_text(const ProgressSnapshot& now, std::optional<double> bytes_per_second) {
  std::string text = now.verb + " ";
  if (now.total_bytes > 0)
    text += part_of_bytes(now.bytes_done, now.total_bytes);
  else
    text += format_bytes(now.bytes_done);
  if (const auto done = fraction_done(now))
    text += fmt::format(" ({} %)", int(std::floor(*done * 100)));
  if (bytes_per_second)
    text += fmt::format(", {}/s", format_bytes(std::uint64_t(*bytes_per_second)));
  if (const auto left = time_left(now, bytes_per_second))
    text += fmt::format(", {} left", left_text(*left));
  text += "; " + format_count(now.files_done);
  if (now.total_files > 0) text += " of " + format_count(now.total_files);
  return text + fmt::format(" files; {} errors", format_count(now.errors));
}

std::string progress_bar(const ProgressSnapshot& now, std::optional<double> bytes_per_second,
                         std::size_t columns) {
  std::string line;
  const auto done = fraction_done(now);
  if (done && columns > 3 * kBarWidth) {
    const auto filled = std::size_t(*done * double(kBarWidth));
    line = "[" + std::string(filled, '=') + std::string(kBarWidth - filled, ' ') + "] ";
  }
  line += progress_text(now, bytes_per_second);
  if (!now.current_file.empty()) line += "; " + printable(now.current_file);
  return cut(line, columns);
}

JsonLine progress_json(const ProgressSnapshot& now, std::optional<double> bytes_per_second,
                       std::chrono::duration<double> elapsed) {
  JsonLine line("status");
  line.add("phase", now.phase).add("seconds_elapsed", elapsed.count());
  if (const auto left = time_left(now, bytes_per_second))
    line.add("seconds_remaining", left->count());
  if (const auto done = fraction_done(now)) line.add("percent_done", *done);
  if (now.total_files > 0) line.add("total_files", now.total_files);
  line.add("files_done", now.files_done);
  if (now.total_bytes > 0) line.add("total_bytes", now.total_bytes);
  line.add("bytes_done", now.bytes_done)
      .add("bytes_sent", now.bytes_sent)
      .add("error_count", now.errors);
  if (!now.current_file.empty()) {
    const std::string files[] = {printable(now.current_file)};
    line.add("current_files", std::span<const std::string>(files));
  }
  return line;
}

ProgressPrinter::ProgressPrinter(ToolIo& io, Output& output, const CommonOptions& options,
                                 Poll poll)
    : io_(io),
      output_(output),
      poll_(std::move(poll)),
      form_(options.quiet || !options.progress ? Form::none
            : options.json                     ? Form::json
            : io.err_is_terminal               ? Form::bar
                                               : Form::lines),
      json_(options.json),
      interval_(options.progress_interval),
      started_(std::chrono::steady_clock::now()),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

ProgressPrinter::~ProgressPrinter() {
  thread_.request_stop();
  thread_.join();
}

std::chrono::milliseconds ProgressPrinter::pause() const {
  if (form_ == Form::bar) return kBarPause;
  if (interval_) return *interval_;
  return form_ == Form::json ? std::chrono::milliseconds(kJsonPause) : kLinePause;
}

void ProgressPrinter::run(const std::stop_token& stop) {
  try {
    rate_.sample(started_, 0);
    while (!stop.stop_requested()) {
      const auto until = std::chrono::steady_clock::now() + pause();
      const bool requested =
          io_.progress_requests.wait(until, stop) == ProgressRequests::Wake::requested;
      if (!stop.stop_requested()) show(requested);
    }
    if (form_ == Form::bar) output_.status_line("");
  } catch (const std::exception&) {
    // Nobody can be told that the terminal is gone; the work itself goes on or was stopped.
  }
}

void ProgressPrinter::show(bool requested) {
  const ProgressSnapshot snapshot = poll_();
  const auto time = std::chrono::steady_clock::now();
  rate_.sample(time, snapshot.bytes_done);
  const std::optional<double> rate = rate_.bytes_per_second();
  if (form_ == Form::bar) output_.status_line(progress_bar(snapshot, rate, terminal_columns() - 1));
  if (json_ && (requested || form_ == Form::json))
    output_.result(progress_json(snapshot, rate, time - started_));
  else if (requested || form_ == Form::lines)
    output_.progress_line(clock_time() + " " + progress_text(snapshot, rate));
}

}  // namespace reverse
