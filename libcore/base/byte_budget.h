#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

#include "libcore/base/stop.h"

namespace reverse {

/// A number of bytes of memory that several threads share. Thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(std::uint64_t bytes) : total_(bytes), free_(bytes) {}

  /// What was drawn; gives it back when destroyed.
  class Share {
   public:
    Share() = default;
    Share(ByteBudget* budget, std::uint64_t bytes) : budget_(budget), bytes_(bytes) {}
    Share(Share&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
    Share& operator=(Share&& other) noexcept {
      release();
      budget_ = std::exchange(other.budget_, nullptr);
      bytes_ = other.bytes_;
      return *this;
    }
    ~Share() { release(); }
    void release() {
      if (budget_ != nullptr) std::exchange(budget_, nullptr)->give_back(bytes_);
    }

   private:
    ByteBudget* budget_ = nullptr;
    std::uint64_t bytes_ = 0;
  };

  /// Waits until `bytes` (or the whole budget, if that is less) are free.
  /// Throws `Cancelled` once `stop` is requested, even if they are.
  Share draw(std::uint64_t bytes, const std::stop_token& stop) {
    bytes = std::min(bytes, total_);
    std::unique_lock lock(mutex_);
    freed_.wait(lock, stop, [&] { return free_ >= bytes; });
    throw_if_stopped(stop);
    free_ -= bytes;
    return Share(this, bytes);
  }

  /// nullopt if `bytes` (or the whole budget, if that is less) are not free now.
  std::optional<Share> try_draw(std::uint64_t bytes) {
    bytes = std::min(bytes, total_);
    std::lock_guard lock(mutex_);
    if (free_ < bytes) return std::nullopt;
    free_ -= bytes;
    return Share(this, bytes);
  }

 private:
  void give_back(std::uint64_t bytes) {
    std::lock_guard lock(mutex_);
    free_ += bytes;
    freed_.notify_all();
  }

  const std::uint64_t total_;
  std::mutex mutex_;
  std::condition_variable_any freed_;
  std::uint64_t free_;
};

}  // namespace reverse
