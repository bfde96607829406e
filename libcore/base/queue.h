#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

#include "libcore/base/stop.h"

namespace reverse {

/// A first-in, first-out queue between threads that holds at most `limit` items. Waking a thread costs
/// more than most items: who waits for room is woken when half of it is free. Thread-safe.
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t limit) : limit_(limit) {}

  /// Waits for room. Throws `Cancelled` once `stop` is requested, even if there is room.
  void push(T item, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    roomy_.wait(lock, stop, [&] { return items_.size() < limit_; });
    throw_if_stopped(stop);
    items_.push_back(std::move(item));
    filled_.notify_one();
  }

  /// The oldest item; waits for one. nullopt once the queue is closed and empty.
  /// Throws `Cancelled` once `stop` is requested, even if there are items.
  std::optional<T> pop(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, stop, [&] { return closed_ || !items_.empty(); });
    throw_if_stopped(stop);
    if (items_.empty()) return std::nullopt;
    T item = std::move(items_.front());
    items_.pop_front();
    if (items_.size() == limit_ / 2) roomy_.notify_all();
    return item;
  }

  /// No further items will come.
  void close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    filled_.notify_all();
  }

 private:
  const std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable_any filled_, roomy_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace reverse
