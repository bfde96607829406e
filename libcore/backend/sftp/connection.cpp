#include "libcore/backend/sftp/connection.h"

#include <algorithm>
#include <csignal>

#include "libcore/backend/sftp/wire.h"
#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"

namespace reverse::sftp {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// OpenSSH's server hangs up on who has not logged in after 120 s; `ssh` may be asking a person for
/// a password until then.
constexpr seconds kGreetingTime{150};
constexpr seconds kLongestSleep{60};
/// Silence that is waited for once the program was told to stop.
constexpr seconds kStoppedPatience{1};
/// The part of `Link::patience` after which a server that is asked nothing is asked something.
constexpr int kProbes = 4;
/// Syncs, extensions all, may take so much longer than anything else: minutes, on a slow disk.
constexpr int kSyncFactor = 10;
constexpr milliseconds kLastWordsTime{250};
constexpr milliseconds kTextTime{500};
constexpr std::size_t kTextShown = 300;
constexpr char kLimits[] = "limits@openssh.com";

/// Lines on one line.
std::string one_line(std::string_view text) {
  std::string line;
  for (std::string_view part : split(text, '\n')) {
    while (!part.empty() && (part.back() == '\r' || part.back() == ' ')) part.remove_suffix(1);
    if (part.empty()) continue;
    if (!line.empty()) line += "; ";
    line += printable(part);
  }
  return line;
}

/// What `ssh` says where another try would end the same way.
bool is_refusal(std::string_view words) {
  return words.find("Permission denied") != words.npos ||
         words.find("Host key verification failed") != words.npos;
}

ServerLimits limits_from(const Reply& reply) {
  if (reply.type != PacketType::extended_reply) return {};
  try {
    return parse_limits(reply.extended);
  } catch (const Error&) {
    return {};  // it says nothing usable: then what every server takes
  }
}

}  // namespace

void Connection::run(const Client::LinkOpener& open_link) {
  Answering scope;
  out_ = encode_init();
  try {
    link_ = open_link();
    stream_ = link_->open_sftp();
  } catch (const std::exception& error) {
    return end(std::current_exception(), error.what());
  }
  try {
    under_way_.bound_replies(link_->reply_window());
    exchange_.attach(*link_);
    serve();
    end_with(Error(ErrorKind::network, fmt::format("connection to '{}' closed", printable(host_))));
  } catch (const Error& error) {
    end_with(describe(error));
  } catch (const std::exception& error) {
    end(std::current_exception(), error.what());
  }
}

void Connection::serve() {
  const std::stop_callback wake(stop_, [this] { exchange_.look_again(); });
  greeting_deadline_ = Link::Clock::now() + kGreetingTime;
  quiet_since_ = Link::Clock::now();
  while (exchange_.collect(backlog_, orders_)) {
    start_commands();
    bool moved = send();
    moved |= receive();
    moved |= step_commands();
    if (moved || !wants_something()) quiet_since_ = Link::Clock::now();
    if (!moved) sleep();
  }
}

bool Connection::wants_something() const {
  return !greeted_ || !under_way_.is_empty() || !backlog_.empty() || !commands_.empty();
}

/// When silence is long enough for the next step; nullopt where that is not for this to tell.
std::optional<Link::Clock::time_point> Connection::silence_ends() const {
  if (!wants_something()) return std::nullopt;
  if (stop_.stop_requested()) return quiet_since_ + kStoppedPatience;
  const std::optional<milliseconds> patience = link_->patience();
  if (!patience || !greeted_) return std::nullopt;  // the greeting may wait for a person
  // A command may be long at work without a word, so that SFTP has to tell whether the line lives.
  if (under_way_.is_empty()) return quiet_since_ + *patience / kProbes;
  return quiet_since_ + *patience * (under_way_.has_extended() ? kSyncFactor : 1);
}

/// Ends the connection where the server says nothing for too long.
void Connection::check_silence() {
  const std::optional<Link::Clock::time_point> end = silence_ends();
  if (!end || Link::Clock::now() < *end) return;
  throw_if_stopped(stop_);
  if (under_way_.is_empty()) return exchange_.submit({stat_request("."), [](Reply&&) {}});
  fail(ErrorKind::network, "no byte came from the server for {} s",
       std::chrono::duration_cast<seconds>(Link::Clock::now() - quiet_since_).count());
}

/// Waits for something to do.
void Connection::sleep() {
  const auto now = Link::Clock::now();
  if (!greeted_ && now >= greeting_deadline_)
    fail(ErrorKind::network, "no SFTP greeting within {} s", kGreetingTime.count());
  check_silence();
  auto deadline = now + kLongestSleep;
  if (!greeted_) deadline = std::min(deadline, greeting_deadline_);
  deadline = std::min(deadline, gathering_.end().value_or(deadline));
  bool to_write = !out_.empty();
  // Where requests wait for a window already, more of them are no news.
  const bool for_requests =
      out_.empty() && backlog_.empty() && (greeted_ || link_->takes_early_requests());
  for (const RunningCommand& command : commands_) {
    to_write |= command.wants_to_write();
    deadline = std::min(deadline, command.deadline());
  }
  if (!exchange_.fall_asleep(for_requests)) return;
  // Looked at only now: a stop that comes later wakes the link.
  deadline = std::min(deadline, silence_ends().value_or(deadline));
  link_->wait(to_write, deadline);
}

/// Whether the backlog is held back: soon there may be more of it.
bool Connection::waits_for_more() {
  std::size_t waiting = 0;
  for (auto next = backlog_.begin(); next != backlog_.end() && waiting < Gathering::kEnough; ++next)
    waiting += weight_of(next->request);
  return gathering_.waits(waiting, under_way_.out_bytes(), under_way_.round_trip(), Link::Clock::now());
}

bool Connection::send() {
  // What is asked already goes in one write with the greeting: sent later, it may find it answered.
  const bool is_greeting = !greeted_ && sent_ == 0;
  if (is_greeting || (out_.empty() && !waits_for_more())) fill();
  if (out_.empty()) return false;
  const ByteView next = ByteView(out_).substr(sent_, link_->best_write());
  const std::size_t size = stream_->try_write(next);
  sent_ += size;
  if (sent_ == out_.size()) {
    out_.clear();
    sent_ = 0;
  }
  return size > 0;
}

/// Encodes what the windows admit, up to one good write.
void Connection::fill() {
  if (!greeted_ && !link_->takes_early_requests()) return;
  const std::size_t best = link_->best_write();
  while (!backlog_.empty() && out_.size() < best && under_way_.admits(backlog_.front().request)) {
    Queued& next = backlog_.front();
    append_packet(out_, next.request, under_way_.add(next.request, std::move(next.done)));
    backlog_.pop_front();
  }
}

bool Connection::receive() {
  const std::optional<std::size_t> size = stream_->try_read(reader_.room());
  if (!size) fail(ErrorKind::network, "the other side ended it");
  reader_.received(*size);
  if (!greeted_ && reader_.starts_with_text()) refuse_text();
  while (std::optional<ByteView> packet = reader_.next())
    greeted_ ? dispatch(*packet) : greet(*packet);
  return *size > 0;
}

void Connection::greet(ByteView packet) {
  ServerVersion version = parse_version(packet);
  if (version.version != 3)
    fail(ErrorKind::unsupported, "the server speaks SFTP version {}, not 3", version.version);
  version.banner = link_->banner();
  greeted_ = true;
  under_way_.end_greeting();
  exchange_.tell_flights(under_way_.answered_flight());
  if (version.extensions.contains(kLimits))
    exchange_.submit({limits_request(), [this](Reply&& reply) {
                        if (!reply.lost) exchange_.told(limits_from(reply));
                      }});
  else
    exchange_.told({});
  exchange_.greeted(std::move(version));
}

void Connection::dispatch(ByteView packet) {
  NumberedReply got = parse_reply(packet);
  const UnderWay::Sent* found = under_way_.find(got.id);
  if (!found) fail(ErrorKind::network, "got a reply to request {}, which is not under way", got.id);
  if (!answers(found->type, got.reply))
    fail(ErrorKind::network, "got a reply of type {} to a request of type {}",
         static_cast<unsigned>(got.reply.type), static_cast<unsigned>(found->type));
  const UnderWay::Sent sent = under_way_.take(got.id);
  exchange_.tell_flights(under_way_.answered_flight());
  exchange_.answered(1, sent.weight);
  sent.done(std::move(got.reply));
}

/// The server's text may come in pieces: it is given a moment to be complete. What has come by then
/// is read, however long that takes.
void Connection::refuse_text() {
  const auto deadline = Link::Clock::now() + kTextTime;
  while (reader_.rest().size() < kTextShown) {
    const std::optional<std::size_t> size = stream_->try_read(reader_.room());
    if (!size) break;
    reader_.received(*size);
    if (*size > 0) continue;
    if (Link::Clock::now() >= deadline) break;
    link_->wait(false, deadline);
  }
  const std::string_view text = reader_.rest().substr(0, kTextShown);
  fail(ErrorKind::unsupported,  // it will not be better next time
       "the server sent text instead of SFTP: '{}'; a start-up file of its shell, such as .bashrc, "
       "must print nothing where there is no terminal",
       one_line(text.substr(0, text.find('\0'))));  // up to the protocol
}

void Connection::start_commands() {
  for (Order& order : orders_) {
    try {
      commands_.emplace_back(link_->run(order.command.line), order);
    } catch (const Error&) {
      order.answer->failed(std::current_exception());
    }
  }
  orders_.clear();
}

bool Connection::step_commands() {
  bool moved = false;
  for (RunningCommand& command : commands_) moved |= command.step();
  std::erase_if(commands_, [](const RunningCommand& command) { return command.finished(); });
  return moved;
}

/// What was told beside the stream and how the other side ended, as far as known a moment later.
std::string Connection::last_words() {
  std::string words;
  try {
    const auto deadline = Link::Clock::now() + kLastWordsTime;
    while (!stream_->exit_code() && Link::Clock::now() < deadline)
      link_->wait(false, std::min(deadline, Link::Clock::now() + milliseconds(20)));
    if (const std::optional<int> code = stream_->exit_code();
        code && *code > 128 && *code < 128 + NSIG)  // 255 is how ssh says that it failed
      words = fmt::format(" (signal {})", *code - 128);
    else if (code && *code != 0)
      words = fmt::format(" (exit code {})", *code);
  } catch (const Error&) {
    // A broken link tells nothing more.
  }
  const std::string said = one_line(stream_->last_words());
  return said.empty() ? words : words + ": " + said;
}

/// The error as whoever waits for an answer sees it.
Error Connection::describe(const Error& error) {
  const std::string words = last_words();
  if (greeted_)
    return {error.kind(),
            fmt::format("connection to '{}' lost: {}{}", printable(host_), error.what(), words)};
  const bool refused = error.kind() == ErrorKind::network && is_refusal(words);
  return {refused ? ErrorKind::permission : error.kind(),
          fmt::format("no SFTP from '{}': {}{}", printable(host_), error.what(), words)};
}

void Connection::end_with(const Error& error) {
  end(std::make_exception_ptr(error), error.what());
}

/// Who was told to stop wants no other reason.
void Connection::end(std::exception_ptr failure, const std::string& reason) {
  if (stop_.stop_requested()) failure = std::make_exception_ptr(Cancelled());
  exchange_.lose(failure, reason);
  exchange_.collect(backlog_, orders_);
  for (RunningCommand& command : commands_) command.fail_with(failure);
  for (Order& order : orders_) order.answer->failed(failure);
  for (const UnderWay::Sent& sent : under_way_.take_all()) answer_lost(sent.done, reason);
  for (const Queued& queued : backlog_) answer_lost(queued.done, reason);
  commands_.clear();
  stream_.reset();
  link_.reset();
}

}  // namespace reverse::sftp
