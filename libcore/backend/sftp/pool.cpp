#include "libcore/backend/sftp/pool.h"

#include <algorithm>
#include <random>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/base/units.h"

namespace reverse::sftp {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kLongestPause{60'000};

/// Between half of `time` and all of it: those who lost a server together do not return together.
milliseconds jittered(milliseconds time) {
  static thread_local std::minstd_rand random{std::random_device{}()};
  return milliseconds(
      std::uniform_int_distribution<std::int64_t>(time.count() / 2, time.count())(random));
}

}  // namespace

Pool::Pool(std::string host, Client::LinkOpener open_link, PoolOptions options)
    : host_(std::move(host)),
      open_link_(std::move(open_link)),
      options_(std::move(options)),
      next_pause_(options_.first_pause),
      limit_(options_.connections) {
  if (options_.upload_rate) upload_limit_.emplace(*options_.upload_rate);
  front_ = &start();
}

Client& Pool::start() {
  clients_.push_back(
      std::make_unique<Client>(host_, open_link_, options_.windows, options_.stop));
  return *clients_.back();
}

Client& Pool::front() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !reconnecting_; });
  if (!front_->alive()) {
    check_stop();
    if (!front_->was_ready()) front_->version();  // throws why it never came to be
    reconnect(lock);
  }
  return *front_;
}

/// Replaces the front connection by a ready one, for all who wait.
void Pool::reconnect(std::unique_lock<std::mutex>& lock) {
  reconnecting_ = true;
  std::exception_ptr failure;
  try {
    begin_again(lock);
  } catch (...) {
    failure = std::current_exception();
  }
  reconnecting_ = false;
  changed_.notify_all();
  if (failure) std::rethrow_exception(failure);
}

void Pool::begin_again(std::unique_lock<std::mutex>& lock) {
  const std::string loss = front_->loss();
  if (options_.retry_for.count() == 0) fail(ErrorKind::network, "{}", loss);
  if (!give_up_) give_up_ = Clock::now() + options_.retry_for;
  tell(fmt::format("{}; trying for {} to connect again", loss,
                   format_duration(options_.retry_for)));
  while (true) {
    if (Clock::now() + next_pause_ > *give_up_)
      fail(ErrorKind::network, "{}; {}", loss, given_up());
    pause(lock);
    Client& fresh = start();
    lock.unlock();
    try {
      fresh.version();
      lock.lock();
      front_ = &fresh;
      break;
    } catch (const Error& error) {
      lock.lock();
      if (error.kind() != ErrorKind::network) throw;
    }
  }
  ++generation_;
  tell(fmt::format("connected to '{}' again", printable(host_)));
}

std::string Pool::given_up() const {
  if (options_.retry_for.count() == 0) return "";
  return "given up after " + format_duration(options_.retry_for);
}

void Pool::pause(std::unique_lock<std::mutex>& lock) {
  const milliseconds time = jittered(next_pause_);
  next_pause_ = std::min(2 * next_pause_, kLongestPause);
  std::condition_variable_any never;
  never.wait_for(lock, options_.stop, time, [] { return false; });
  throw_if_stopped(options_.stop);
}

void Pool::note_progress() {
  std::lock_guard lock(mutex_);
  give_up_.reset();
  next_pause_ = options_.first_pause;
}

std::vector<Client*> Pool::ready() {
  std::vector<Client*> ready{&front()};
  std::lock_guard lock(mutex_);
  for (Client* client : others_)
    if (client->was_ready() && client->alive()) ready.push_back(client);
  return ready;
}

Client& Pool::next() {
  const std::vector<Client*> clients = ready();
  std::lock_guard lock(mutex_);
  return *clients[turn_++ % clients.size()];
}

/// With the lock. Whether another connection is allowed and the last one was not refused.
bool Pool::may_grow() {
  for (const Client* client : others_)
    if (!client->alive() && !client->was_ready()) limit_ = 0;  // refused
  std::erase_if(others_, [](const Client* client) { return !client->alive(); });
  return others_.size() + 1 < limit_ && front_->alive() && front_->was_ready();
}

void Pool::grow() {
  std::lock_guard lock(mutex_);
  const bool is_growing = std::ranges::any_of(
      others_, [](const Client* client) { return client->alive() && !client->was_ready(); });
  if (!is_growing && may_grow()) others_.push_back(&start());
}

void Pool::grow_fully() {
  std::lock_guard lock(mutex_);
  while (may_grow()) others_.push_back(&start());
}

std::size_t Pool::size() const {
  std::lock_guard lock(mutex_);
  return 1 + static_cast<std::size_t>(std::count_if(
                 others_.begin(), others_.end(),
                 [](const Client* client) { return client->was_ready() && client->alive(); }));
}

std::uint64_t Pool::flights() const {
  std::lock_guard lock(mutex_);
  return front_->flights();
}

void Pool::pace_upload(std::uint64_t bytes) {
  if (upload_limit_) upload_limit_->wait(bytes, options_.stop);
}

void Pool::check_stop() const {
  throw_if_stopped(options_.stop);
}

void Pool::tell(const std::string& what) const {
  if (options_.notice) options_.notice(what);
}

}  // namespace reverse::sftp
