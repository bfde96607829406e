#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/timestamp.h"
#include "libcore/cli/common_options.h"
#include "libcore/cli/tool_io.h"

namespace reverse {

/// One object of `--json`, fields in the order they were added. One thread at a time.
class JsonLine {
 public:
  explicit JsonLine(std::string_view message_type);
  ~JsonLine();
  JsonLine(JsonLine&&) noexcept;
  JsonLine& operator=(JsonLine&&) noexcept;

  /// Text; bytes that are not UTF-8 become U+FFFD (use `add_path` where they matter).
  JsonLine& add(std::string_view key, std::string_view value);
  JsonLine& add(std::string_view key, const char* value) {
    return add(key, std::string_view(value));
  }
  JsonLine& add(std::string_view key, const std::string& value) {
    return add(key, std::string_view(value));
  }
  JsonLine& add(std::string_view key, bool value);
  JsonLine& add(std::string_view key, std::int64_t value);
  JsonLine& add(std::string_view key, std::uint64_t value);
  JsonLine& add(std::string_view key, int value) { return add(key, std::int64_t(value)); }
  JsonLine& add(std::string_view key, unsigned value) { return add(key, std::uint64_t(value)); }
  JsonLine& add(std::string_view key, double value);
  /// RFC 3339, local time with offset.
  JsonLine& add(std::string_view key, Timestamp value);
  JsonLine& add(std::string_view key, std::span<const std::string> values);
  /// Raw bytes of a name: under `key` where they are clean, else in percent form under `key` + "x".
  JsonLine& add_path(std::string_view key, std::string_view raw);
  /// An object as the value of `key`; its own message_type is left out.
  JsonLine& add_object(std::string_view key, const JsonLine& value);

  /// The object without a newline.
  std::string text() const;

 private:
  struct Fields;
  std::unique_ptr<Fields> fields_;
};

/// Everything a tool says. Results go to stdout, talk to stderr; under `--json` each is an object.
/// Thread-safe: each call's text stays together, and a status line at a terminal stays below it.
class Output {
 public:
  Output(ToolIo& io, const CommonOptions& options, std::string tool_name);

  bool json() const { return json_; }
  bool quiet() const { return quiet_; }
  unsigned verbosity() const { return verbosity_; }

  /// Lines of a result as they are: names in `text` must have gone through `printable`. A newline
  /// is added.
  void result(std::string_view text);
  /// An object of a result.
  void result(const JsonLine& line);
  /// A name as a line of its own: escaped, or raw and ended by NUL under `-0`.
  void result_name(std::string_view raw);
  /// The summary in words: a result that `-q` drops, and that `--json` gives as an object instead.
  void summary(std::string_view text);

  /// A line of talk on stderr that `-q` and `--json` drop.
  void note(std::string_view text);
  /// "warning: MESSAGE". `item`, raw, names what it is about, if anything; all texts are escaped
  /// here.
  void warning(std::string_view message, std::string_view item = {});
  /// One item failed: "error: ITEM: MESSAGE" (and `during` under `--json`). Of all calls the first
  /// ten are printed, all of them under `--json`.
  void problem(std::string_view item, std::string_view during, std::string_view message);
  /// If problems were left out, their number and the `command` that lists all. Starts counting
  /// anew.
  void end_problems(std::string_view command);
  /// Why the run ended: "TOOL: MESSAGE", or an `exit_error` object.
  void exit_error(int code, std::string_view message);

  /// Shows `text` (printable, one line) below everything else at a terminal; empty takes it away.
  void status_line(std::string_view text);
  /// A line of progress on stderr.
  void progress_line(std::string_view text);

 private:
  void write_out(std::string_view text);
  void write_err(std::string_view text);
  void erase_status();
  void draw_status();

  ToolIo& io_;
  const bool json_, quiet_, print0_;
  const unsigned verbosity_;
  const std::string tool_name_;
  std::mutex mutex_;
  std::string status_;
  std::uint64_t problems_ = 0;
};

/// Rows of text cells, printed with columns in line. One thread at a time.
class Table {
 public:
  enum class Align { left, right };
  /// One alignment per column. Cells are printable text.
  explicit Table(std::vector<Align> columns) : columns_(std::move(columns)) {}
  /// A row of as many cells as there are columns.
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  /// All rows, columns two blanks apart, no blanks at line ends, the last newline left out.
  std::string text() const;

 private:
  std::vector<Align> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// "1 file", "61,210 files": for nouns that take an s.
std::string counted(std::uint64_t count, std::string_view noun);
/// "12 objects (3.1 MiB)"; "0 objects"
std::string amount(std::uint64_t count, std::uint64_t bytes, std::string_view noun);
/// "2014-01-20 18:00", in local time.
std::string minute(Timestamp time);

/// The columns that `text` takes at a terminal: one per character, combining ones included.
std::size_t display_width(std::string_view text);

}  // namespace reverse
