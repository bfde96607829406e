#include "libcore/backend/sftp/running_command.h"

#include <algorithm>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse::sftp {

namespace {

constexpr std::size_t kInputChunk = 256 << 10;
constexpr std::size_t kOutputChunk = 64 << 10;
constexpr std::size_t kMaxOutput = 64 << 20;
/// A server tells the exit code right behind the output's end; one that has not by then never will.
constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::milliseconds kExitCodePoll{100};

}  // namespace

RunningCommand::RunningCommand(std::unique_ptr<Stream> stream, Order order)
    : stream_(std::move(stream)), order_(std::move(order)) {
  if (order_.command.timeout) time_limit_ = Link::Clock::now() + *order_.command.timeout;
}

Link::Clock::time_point RunningCommand::deadline() const {
  auto deadline = ended_ ? Link::Clock::now() + kExitCodePoll : Link::Clock::time_point::max();
  return std::min(deadline, time_limit_.value_or(deadline));
}

void RunningCommand::check_time() const {
  if (time_limit_ && Link::Clock::now() >= *time_limit_)
    fail(ErrorKind::io, "it did not end within {} s",
         std::chrono::ceil<std::chrono::seconds>(*order_.command.timeout).count());
}

bool RunningCommand::step() {
  if (order_.answer->is_given_up()) return finished_ = true;
  try {
    check_time();
    bool moved = input_open_ && feed();
    if (!ended_) moved |= collect();
    if (ended_) finish();
    return moved || finished_;
  } catch (const Error& error) {
    fail_with(std::make_exception_ptr(
        Error(error.kind(),
              fmt::format("run '{}': {}", printable(order_.command.line), error.what()))));
    return true;
  }
}

bool RunningCommand::feed() {
  std::size_t sent = 0;
  try {
    if (wants_to_write())
      sent = stream_->try_write(ByteView(order_.command.input).substr(sent_, kInputChunk));
    sent_ += sent;
  } catch (const Error&) {
    // It may have closed its input and yet have something to say; where the connection is broken,
    // reading tells.
    sent_ = order_.command.input.size();
  }
  if (wants_to_write()) return sent > 0;
  stream_->end_input();
  input_open_ = false;
  return true;
}

bool RunningCommand::collect() {
  char chunk[kOutputChunk];
  const std::optional<std::size_t> size = stream_->try_read(chunk);
  if (!size) {
    ended_ = true;
    patience_ = Link::Clock::now() + kPatience;
    return true;
  }
  printed_ += *size;
  if (printed_ > kMaxOutput)
    fail(ErrorKind::io, "it prints more than {} MiB", kMaxOutput >> 20);
  if (*size > 0) order_.answer->printed({chunk, *size});
  return *size > 0;
}

void RunningCommand::finish() {
  const std::optional<int> code = stream_->exit_code();
  if (!code && Link::Clock::now() < patience_) return;
  if (!code) fail(ErrorKind::network, "the server never told how it ended");
  finished_ = true;
  order_.answer->ended({*code, stream_->last_words()});
}

void RunningCommand::fail_with(std::exception_ptr failure) {
  if (!finished_) order_.answer->failed(std::move(failure));
  finished_ = true;
}

}  // namespace reverse::sftp
