#pragma once

#include <exception>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace reverse {

/// A group of threads that stand or fall together: the first exception of any of them stops all,
/// and `wait` throws it. Destroying a pipeline stops and joins its threads.
class Pipeline {
 public:
  /// `outer`: a stop requested there stops this pipeline too.
  explicit Pipeline(std::stop_token outer);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// What every wait of the stages takes.
  std::stop_token stop_token() const { return stop_.get_token(); }

  /// Starts a thread that runs `stage`. One thread at a time.
  void start(std::function<void()> stage);

  /// Runs `stage` in the calling thread under the same rule, without rethrowing.
  void run_here(const std::function<void()>& stage) noexcept;

  /// Joins all threads, then throws what the first failing stage threw: an error before a
  /// `Cancelled`, since the stop that follows an error makes the others throw `Cancelled`.
  void wait();

 private:
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> follow_outer_;
  std::mutex mutex_;
  std::exception_ptr first_error_;
  bool cancelled_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace reverse
