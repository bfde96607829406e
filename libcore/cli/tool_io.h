#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "libcore/base/bytes.h"

namespace reverse {

/// One of a tool's two output streams. Thread-safe: a `write` is never torn apart by another one.
class TextOut : public ByteSink {
 public:
  /// Takes all of `bytes`; they may wait in a buffer until `flush`.
  /// Throws `Cancelled` once when the reader is found gone (nothing is written from then on), `io`
  /// and `no_space` otherwise.
  void write(ByteView bytes) final;
  /// Sends what is buffered. Throws as `write` does.
  void flush();

  /// True once a write found the pipe's reader gone.
  bool reader_gone() const { return reader_gone_; }

 protected:
  /// Delivers all of `bytes`; false if nobody reads them any more.
  virtual bool deliver(ByteView bytes) = 0;

 private:
  void send(ByteView bytes);

  std::mutex mutex_;
  std::string buffer_;
  std::atomic<bool> reader_gone_{false};
};

/// A stream over an open descriptor, which it does not own.
class FdOut : public TextOut {
 public:
  /// `name` is what an error calls it; `on_reader_gone` runs once, in the writing thread.
  FdOut(int fd, std::string name, std::function<void()> on_reader_gone)
      : fd_(fd), name_(std::move(name)), on_reader_gone_(std::move(on_reader_gone)) {}

 private:
  bool deliver(ByteView bytes) override;

  int fd_;
  std::string name_;
  std::function<void()> on_reader_gone_;
};

/// Carries the wish to see progress at once (SIGUSR1) to whoever prints it. Thread-safe.
class ProgressRequests {
 public:
  void request();

  enum class Wake { time, requested };
  /// Waits until `until`, a request that came after the last return, or a stop; a stop reads as
  /// `time`.
  Wake wait(std::chrono::steady_clock::time_point until, const std::stop_token& stop);

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool requested_ = false;
};

/// The value of an environment variable; nullopt if it is not set.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

/// All that a tool knows of the process it runs in, so that tests can run tools in theirs.
struct ToolIo {
  TextOut& out;  ///< results
  TextOut& err;  ///< warnings, errors, progress
  EnvironmentLookup environment;
  std::stop_token stop;  ///< requested when a signal asks the tool to end
  int in_fd = 0;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  ProgressRequests progress_requests{};
};

}  // namespace reverse
