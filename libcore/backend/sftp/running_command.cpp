#include "libcore/backend/sftp/running_command.h"

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse::sftp {

namespace {

constexpr std::size_t kInputChunk = 256 << 10;
constexpr std::size_t kOutputChunk = 64 << 10;
constexpr std::size_t kMaxOutput = 64 << 20;
/// A server tells the exit code right behind the output's end; one that has not by then never will.
constexpr std::chrono::seconds kPatience{60};

}  // namespace

RunningCommand::RunningCommand(std::unique_ptr<Stream> stream, Order order)
    : stream_(std::move(stream)), order_(std::move(order)) {}

bool RunningCommand::step() {
  try {
    bool moved = input_open_ && feed();
    if (!ended_) moved |= collect();
    if (ended_) finish();
    return moved || finished_;
  } catch (const Error& error) {
    fail_with(std::make_exception_ptr(
        Error(error.kind(), fmt::format("run '{}': {}", printable(order_.command), error.what()))));
    return true;
  }
}

bool RunningCommand::feed() {
  std::size_t sent = 0;
  try {
    if (wants_to_write()) sent = stream_->try_write(order_.input.substr(0, kInputChunk));
    order_.input.remove_prefix(sent);
  } catch (const Error&) {
    // It may have closed its input and yet have something to say; where the connection is broken,
    // reading tells.
    order_.input = {};
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
  if (output_.size() + *size > kMaxOutput)
    fail(ErrorKind::io, "it prints more than {} MiB", kMaxOutput >> 20);
  output_.append(chunk, *size);
  return *size > 0;
}

void RunningCommand::finish() {
  const std::optional<int> code = stream_->exit_code();
  if (!code && Link::Clock::now() < patience_) return;
  if (!code) fail(ErrorKind::network, "the server never told how it ended");
  finished_ = true;
  order_.result.set_value({*code, std::move(output_), stream_->last_words()});
}

void RunningCommand::fail_with(std::exception_ptr failure) {
  if (!finished_) order_.result.set_exception(std::move(failure));
  finished_ = true;
}

}  // namespace reverse::sftp
