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
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kFirstPause{1000}, kLongestPause{60'000};

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
      limit_(options_.connections) {
  front_ = &start();
}

Client& Pool::start() {
  clients_.push_back(std::make_unique<Client>(host_, open_link_, options_.windows));
  return *clients_.back();
}

Client& Pool::front() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !reconnecting_; });
  if (!front_->alive()) {
    if (!front_->was_ready()) front_->version();  // throws why it never came to be
    reconnect(lock);
  }
  return *front_;
}

/// Replaces the front connection by a ready one.
void Pool::reconnect(std::unique_lock<std::mutex>& lock) {
  reconnecting_ = true;
  try {
    const auto deadline = Clock::now() + options_.retry_for;
    if (options_.retry_for.count() > 0)
      tell(fmt::format("{}; trying for {} to connect again", front_->loss(),
                       format_duration(options_.retry_for)));
    for (milliseconds time = kFirstPause;; time = std::min(2 * time, kLongestPause)) {
      if (Clock::now() + time > deadline) fail(ErrorKind::network, "{}", front_->loss());
      pause(lock, jittered(time));
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
    tell(fmt::format("connected to '{}' again", printable(host_)));
  } catch (...) {
    reconnecting_ = false;
    changed_.notify_all();
    throw;
  }
  reconnecting_ = false;
  changed_.notify_all();
}

void Pool::pause(std::unique_lock<std::mutex>& lock, milliseconds time) {
  std::condition_variable_any never;
  never.wait_for(lock, options_.stop, time, [] { return false; });
  throw_if_stopped(options_.stop);
}

Client& Pool::next() {
  Client& first = front();
  std::lock_guard lock(mutex_);
  std::erase_if(others_, [](const Client* client) { return !client->alive(); });
  std::vector<Client*> ready{&first};
  for (Client* client : others_)
    if (client->was_ready()) ready.push_back(client);
  return *ready[turn_++ % ready.size()];
}

void Pool::grow() {
  std::lock_guard lock(mutex_);
  for (const Client* client : others_) {
    if (client->was_ready()) continue;
    if (client->alive()) return;  // it is on its way
    limit_ = 0;                   // refused
  }
  if (others_.size() + 1 >= limit_ || !front_->alive() || !front_->was_ready()) return;
  others_.push_back(&start());
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

void Pool::tell(const std::string& what) const {
  if (options_.notice) options_.notice(what);
}

}  // namespace reverse::sftp
