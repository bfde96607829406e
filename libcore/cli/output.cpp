#include "libcore/cli/output.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "libcore/base/text.h"
#include "libcore/base/units.h"

namespace reverse {
namespace {

// More failures than this would bury what else there is to read.
constexpr std::uint64_t kNamedProblems = 10;

}  // namespace

Output::Output(ToolIo& io, const CommonOptions& options, std::string tool_name)
    : io_(io),
      json_(options.json),
      quiet_(options.quiet),
      print0_(options.print0),
      verbosity_(options.verbosity),
      tool_name_(std::move(tool_name)) {}

void Output::result(std::string_view text) {
  write_out(fmt::format("{}\n", text));
}

void Output::result(const JsonLine& line) {
  result(line.text());
}

void Output::result_name(std::string_view raw) {
  if (!print0_) return result(printable(raw));
  write_out(std::string(raw) + '\0');
}

void Output::summary(std::string_view text) {
  if (!quiet_ && !json_) result(text);
}

void Output::note(std::string_view text) {
  if (!quiet_ && !json_) write_err(fmt::format("{}\n", text));
}

void Output::warning(std::string_view message, std::string_view item) {
  if (json_) {
    JsonLine line("warning");
    line.add("message", message);
    if (!item.empty()) line.add_path("item", item);
    return write_err(line.text() + "\n");
  }
  const std::string about = item.empty() ? "" : printable(item) + ": ";
  write_err(fmt::format("warning: {}{}\n", about, printable(message)));
}

void Output::problem(std::string_view item, std::string_view during, std::string_view message) {
  {
    std::lock_guard lock(mutex_);
    ++problems_;
    if (!json_ && problems_ > kNamedProblems) return;
  }
  if (json_) {
    JsonLine error("");
    error.add("message", message);
    JsonLine line("error");
    line.add_object("error", error).add("during", during).add_path("item", item);
    return write_err(line.text() + "\n");
  }
  write_err(fmt::format("error: {}: {}\n", printable(item), printable(message)));
}

void Output::end_problems(std::string_view command) {
  std::unique_lock lock(mutex_);
  const std::uint64_t problems = std::exchange(problems_, 0);
  lock.unlock();
  if (json_ || problems <= kNamedProblems) return;
  write_err(fmt::format("error: {} more; all of them: {}\n",
                        format_count(problems - kNamedProblems), command));
}

void Output::exit_error(int code, std::string_view message) {
  if (json_)
    write_err(JsonLine("exit_error").add("code", code).add("message", message).text() + "\n");
  else
    write_err(fmt::format("{}: {}\n", tool_name_, printable(message)));
}

void Output::status_line(std::string_view text) {
  std::lock_guard lock(mutex_);
  if (text == status_) return;
  erase_status();
  status_ = text;
  draw_status();
  io_.err.flush();
}

void Output::progress_line(std::string_view text) {
  write_err(fmt::format("{}\n", text));
}

void Output::write_out(std::string_view text) {
  std::lock_guard lock(mutex_);
  if (!status_.empty() && io_.out_is_terminal) {
    erase_status();
    io_.err.flush();
  }
  io_.out.write(text);
  if (!io_.out_is_terminal) return;
  io_.out.flush();
  draw_status();
  io_.err.flush();
}

void Output::write_err(std::string_view text) {
  std::lock_guard lock(mutex_);
  io_.out.flush();  // so that both keep their order where they end in one file
  erase_status();
  io_.err.write(text);
  draw_status();
  io_.err.flush();
}

void Output::erase_status() {
  if (!status_.empty()) io_.err.write("\r\033[K");
}

void Output::draw_status() {
  if (!status_.empty()) io_.err.write(status_);
}

std::string counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", format_count(count), noun, count == 1 ? "" : "s");
}

std::string amount(std::uint64_t count, std::uint64_t bytes, std::string_view noun) {
  std::string text = counted(count, noun);
  return count == 0 ? text : fmt::format("{} ({})", text, format_bytes(bytes));
}

std::string minute(Timestamp time) {
  return to_display_local(time).substr(0, 16);
}

std::size_t display_width(std::string_view text) {
  // Every byte but those that continue a UTF-8 character.
  return std::size_t(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string Table::text() const {
  std::vector<std::size_t> widths(columns_.size());
  for (const auto& cells : rows_)
    for (std::size_t i = 0; i < cells.size(); ++i)
      widths[i] = std::max(widths[i], display_width(cells[i]));

  std::string text;
  for (const auto& cells : rows_) {
    if (&cells != &rows_.front()) text += '\n';
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string gap(widths[i] - display_width(cells[i]), ' ');
      text += i == 0 ? "" : "  ";
      text += columns_[i] == Align::right ? gap + cells[i] : cells[i] + gap;
    }
    text.erase(text.find_last_not_of(' ') + 1);
  }
  return text;
}

}  // namespace reverse
