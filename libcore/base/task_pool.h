#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <stop_token>

#include "libcore/base/pipeline.h"
#include "libcore/base/queue.h"

namespace reverse {

/// Runs tasks in threads of a pipeline, which an exception from a task stops. Its functions are for
/// one thread.
class TaskPool {
 public:
  using Task = std::function<void()>;

  /// At most `queued` tasks wait for a thread.
  explicit TaskPool(std::size_t queued) : tasks_(queued) {}

  /// Starts `threads` threads, before anything else. `pipeline` must not outlive the pool.
  void start(Pipeline& pipeline, unsigned threads) {
    stop_ = pipeline.stop_token();
    for (unsigned i = 0; i < threads; ++i) pipeline.start([this] { work(); });
  }

  /// Waits for room. Throws `Cancelled` once the pipeline is stopped.
  void submit(Task task) {
    {
      std::lock_guard lock(mutex_);
      ++unfinished_;
    }
    tasks_.push(std::move(task), stop_);
  }

  /// Returns when all tasks are done. Throws `Cancelled` once the pipeline is stopped.
  void wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, stop_, [this] { return unfinished_ == 0; });
    throw_if_stopped(stop_);
  }

  /// No more tasks will come: the threads end.
  void close() { tasks_.close(); }

 private:
  void work() {
    while (std::optional<Task> task = tasks_.pop(stop_)) {
      (*task)();
      std::lock_guard lock(mutex_);
      if (--unfinished_ == 0) done_.notify_all();
    }
  }

  std::stop_token stop_;
  BoundedQueue<Task> tasks_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable_any done_;
  std::size_t unfinished_ = 0;
};

}  // namespace reverse
