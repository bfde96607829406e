#include "libcore/backend/ssh/session_link.h"

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

#include "libcore/backend/ssh/tcp.h"
#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"

namespace reverse::ssh {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t kLastWords = 4096;
constexpr int kProbes = 4;  // a silence has so many parts; after the first the server is probed
/// A server may count a channel that was closed for so long, and refuse the next.
constexpr std::chrono::seconds kClosingTime{2};

class Channel;

class SessionLink final : public sftp::Link {
 public:
  SessionLink(SessionHandle session, const ConnectOptions& options);
  ~SessionLink() override;

  std::unique_ptr<sftp::Stream> open_sftp() override;
  std::unique_ptr<sftp::Stream> run(const std::string& command) override;
  void wait(bool to_write, Clock::time_point deadline) override;
  void wake() override;
  std::string banner() const override;
  bool takes_early_requests() const override { return is_openssh_; }

  ssh_session session() { return session_.get(); }
  std::vector<Channel*>& channels() { return channels_; }
  /// Handles what has come and sends what can go, without waiting.
  void process() { poll(0); }
  /// True if libssh holds bytes that the socket would not take.
  bool is_congested() { return (ssh_get_status(session()) & SSH_WRITE_PENDING) != 0; }
  void note_closed() { closed_ = Clock::now(); }
  /// True if a channel that was closed a moment ago may be why another is refused.
  bool has_just_closed() {
    return closed_ && Clock::now() < *closed_ + kClosingTime && ssh_is_connected(session()) != 0;
  }
  [[noreturn]] void throw_broken();

 private:
  void poll(int timeout_ms);
  void check_alive();
  void probe();

  SessionHandle session_;
  EventHandle event_;
  UniqueFd wake_;
  std::vector<Channel*> channels_;  ///< those that live; they sign off
  ssh_counter_struct counters_{};
  const milliseconds dead_after_;
  const std::stop_token stop_;
  const bool is_openssh_;
  std::uint64_t bytes_heard_ = 0;
  Clock::time_point heard_ = Clock::now();  ///< when the last byte came, as far as was looked
  Clock::time_point probed_;  ///< since then an answer is waited for, if `is_probing_`
  bool is_probing_ = false, was_probed_ = false;
  std::optional<Clock::time_point> closed_;  ///< when a channel was, last
};

/// A subsystem or a command. It opens bit by bit: nobody waits but `open_sftp`.
class Channel final : public sftp::Stream {
 public:
  /// `command` nullptr: the SFTP subsystem.
  Channel(SessionLink& link, const std::string* command);
  ~Channel() override;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  std::size_t try_write(ByteView bytes) override;
  void end_input() override;
  std::optional<std::size_t> try_read(std::span<char> room) override;
  std::optional<int> exit_code() override { return exit_code_; }
  std::string last_words() override { return words_; }

  /// Takes the next steps of opening; true once it is open. Throws where it is refused.
  bool advance();
  /// True if bytes are here that were not read yet.
  bool has_bytes() { return step_ == Step::open && is_buffered_; }

 private:
  enum class Step { opening, requesting, open };

  void make();
  int request();
  [[noreturn]] void throw_refused();
  void set_callbacks();

  SessionLink& link_;
  ChannelHandle channel_;
  ssh_channel_callbacks_struct callbacks_{};
  const std::string command_;
  const bool is_sftp_;
  Step step_ = Step::opening;
  bool input_ended_ = false, is_buffered_ = false;
  std::optional<int> exit_code_;
  std::string words_;
};

// --- SessionLink

int empty_eventfd(socket_t fd, int, void*) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = ::read(fd, &count, sizeof count);
  return 0;
}

SessionLink::SessionLink(SessionHandle session, const ConnectOptions& options)
    : session_(std::move(session)),
      event_(ssh_event_new()),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      dead_after_(options.dead_after),
      stop_(options.stop),
      is_openssh_(ssh_get_openssh_version(session_.get()) != 0) {
  if (!wake_) throw_errno(errno, "create eventfd");
  ssh_set_blocking(session_.get(), 0);
  ssh_set_counters(session_.get(), &counters_, nullptr);
  if (!event_ || ssh_event_add_session(event_.get(), session_.get()) != SSH_OK ||
      ssh_event_add_fd(event_.get(), wake_.get(), POLLIN, empty_eventfd, nullptr) != SSH_OK)
    fail(ErrorKind::internal, "set up the SSH session: {}", ssh_get_error(session_.get()));
}

SessionLink::~SessionLink() {
  ssh_event_remove_fd(event_.get(), wake_.get());
  ssh_event_remove_session(event_.get(), session_.get());
}

std::string SessionLink::banner() const {
  const char* banner = ssh_get_serverbanner(session_.get());
  return banner == nullptr ? "" : banner;
}

std::unique_ptr<sftp::Stream> SessionLink::open_sftp() {
  auto channel = std::make_unique<Channel>(*this, nullptr);
  const std::stop_callback cut(stop_, [this] { wake(); });
  while (!channel->advance()) {
    throw_if_stopped(stop_);
    acknowledge_at_once(ssh_get_fd(session()));
    wait(false, Clock::now() + dead_after_);
  }
  return channel;
}

std::unique_ptr<sftp::Stream> SessionLink::run(const std::string& command) {
  return std::make_unique<Channel>(*this, &command);
}

void SessionLink::wait(bool, Clock::time_point deadline) {
  for (Channel* channel : channels_)
    if (channel->has_bytes()) return;
  // libssh handles all that has come when any channel asks: what came since then may be an answer
  // for a channel that was looked at before.
  if (counters_.in_bytes != bytes_heard_) return check_alive();
  if (ssh_is_connected(session()) == 0) throw_broken();
  const auto now = Clock::now();
  const auto next_look = is_probing_ ? probed_ + dead_after_ / kProbes * (kProbes - 1)
                                     : heard_ + dead_after_ / kProbes;
  const auto until = std::min(deadline, std::max(next_look, now));
  const auto left = std::chrono::ceil<milliseconds>(std::max(until - now, Clock::duration(0)));
  poll(static_cast<int>(std::min<std::int64_t>(left.count(), 1 << 30)));
  check_alive();
}

/// Waits for something to come or go, and handles it. What breaks the connection shows in the
/// channels: some may have bytes yet.
void SessionLink::poll(int timeout_ms) {
  ssh_event_dopoll(event_.get(), timeout_ms);
}

void SessionLink::check_alive() {
  const auto now = Clock::now();
  if (counters_.in_bytes != bytes_heard_) {
    bytes_heard_ = counters_.in_bytes;
    heard_ = now;
    is_probing_ = false;
    return;
  }
  if (is_probing_ && now - probed_ >= dead_after_ / kProbes * (kProbes - 1))
    fail(ErrorKind::network, "no byte came from the server for {} s",
         std::chrono::duration_cast<std::chrono::seconds>(now - heard_).count());
  if (!is_probing_ && now - heard_ >= dead_after_ / kProbes) probe();
}

/// Asks for something that every server answers, if only by a refusal.
void SessionLink::probe() {
  // libssh hands out the answer to the last one before it sends another.
  if (was_probed_) ssh_send_keepalive(session());
  ssh_send_keepalive(session());
  was_probed_ = is_probing_ = true;
  probed_ = Clock::now();
}

void SessionLink::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = ::write(wake_.get(), &one, sizeof one);
}

void SessionLink::throw_broken() {
  fail(ErrorKind::network, "{}", printable(ssh_get_error(session())));
}

// --- Channel

Channel::Channel(SessionLink& link, const std::string* command)
    : link_(link), command_(command != nullptr ? *command : ""), is_sftp_(command == nullptr) {
  make();
  link_.channels().push_back(this);
}

void Channel::make() {
  channel_.reset(ssh_channel_new(link_.session()));
  if (!channel_) link_.throw_broken();
  set_callbacks();
}

Channel::~Channel() {
  // libssh keeps a channel until the server has closed it too.
  ssh_remove_channel_callbacks(channel_.get(), &callbacks_);
  std::erase(link_.channels(), this);
  if (step_ != Step::opening) link_.note_closed();
}

int signal_number(const char* name) {
  for (int number = 1; number < NSIG; ++number)
    if (const char* known = ::sigabbrev_np(number);
        known != nullptr && std::strcmp(known, name) == 0)
      return number;
  return 0;
}

void Channel::set_callbacks() {
  callbacks_.userdata = this;
  callbacks_.channel_data_function = [](ssh_session, ssh_channel, void* data, std::uint32_t size,
                                        int is_stderr, void* self) -> int {
    auto& channel = *static_cast<Channel*>(self);
    channel.is_buffered_ = channel.is_buffered_ || is_stderr == 0;
    if (is_stderr == 0) return 0;  // it waits for `try_read`
    channel.words_.append(static_cast<const char*>(data), size);
    if (channel.words_.size() > kLastWords)
      channel.words_.erase(0, channel.words_.size() - kLastWords);
    return static_cast<int>(size);
  };
  callbacks_.channel_eof_function = [](ssh_session, ssh_channel, void* self) {
    static_cast<Channel*>(self)->is_buffered_ = true;  // the end is something to read too
  };
  callbacks_.channel_close_function = callbacks_.channel_eof_function;
  callbacks_.channel_exit_status_function = [](ssh_session, ssh_channel, int code, void* self) {
    static_cast<Channel*>(self)->exit_code_ = code;
  };
  callbacks_.channel_exit_signal_function = [](ssh_session, ssh_channel, const char* name, int,
                                               const char*, const char*, void* self) {
    static_cast<Channel*>(self)->exit_code_ = 128 + signal_number(name);
  };
  ssh_callbacks_init(&callbacks_);
  ssh_set_channel_callbacks(channel_.get(), &callbacks_);
}

bool Channel::advance() {
  while (step_ != Step::open) {
    const int code = step_ == Step::opening ? ssh_channel_open_session(channel_.get()) : request();
    if (code == SSH_AGAIN) return false;
    if (code != SSH_OK) {
      if (step_ != Step::opening || !link_.has_just_closed()) throw_refused();
      ssh_remove_channel_callbacks(channel_.get(), &callbacks_);
      make();  // asks again
      continue;
    }
    step_ = step_ == Step::opening ? Step::requesting : Step::open;
    if (step_ == Step::open && input_ended_) ssh_channel_send_eof(channel_.get());
  }
  return true;
}

int Channel::request() {
  return is_sftp_ ? ssh_channel_request_sftp(channel_.get())
                  : ssh_channel_request_exec(channel_.get(), command_.c_str());
}

void Channel::throw_refused() {
  if (ssh_is_connected(link_.session()) == 0) link_.throw_broken();
  const std::string words = printable(ssh_get_error(link_.session()));
  if (step_ == Step::opening)
    fail(ErrorKind::busy, "the server opens no further session on this connection ({})", words);
  if (is_sftp_)
    fail(ErrorKind::permission, "the server offers no SFTP to this account ({})", words);
  fail(ErrorKind::usage, "the server runs no commands for this account ({})", words);
}

std::size_t Channel::try_write(ByteView bytes) {
  if (!advance()) return 0;
  if (link_.is_congested()) link_.process();
  const bool has_closed = ssh_channel_is_closed(channel_.get()) != 0;
  if (link_.is_congested() || (has_closed && is_buffered_)) return 0;  // its last bytes come first
  const int size =
      ssh_channel_write(channel_.get(), bytes.data(), static_cast<std::uint32_t>(bytes.size()));
  if (size < 0) link_.throw_broken();
  return static_cast<std::size_t>(size);
}

void Channel::end_input() {
  input_ended_ = true;
  if (step_ == Step::open) ssh_channel_send_eof(channel_.get());
}

std::optional<std::size_t> Channel::try_read(std::span<char> room) {
  if (!advance()) return 0;
  std::size_t total = 0;
  while (total < room.size()) {
    const int size = ssh_channel_read_nonblocking(
        channel_.get(), room.data() + total, static_cast<std::uint32_t>(room.size() - total), 0);
    if (size > 0) total += static_cast<std::size_t>(size);
    if (size > 0) continue;
    is_buffered_ = false;
    if (total > 0) return total;
    if (ssh_channel_is_eof(channel_.get()) != 0) return std::nullopt;
    if (size < 0) link_.throw_broken();
    return 0;
  }
  return total;
}

}  // namespace

std::unique_ptr<sftp::Link> make_session_link(SessionHandle session, const ConnectOptions& options) {
  return std::make_unique<SessionLink>(std::move(session), options);
}

}  // namespace reverse::ssh
