#include "libcore/base/pipeline.h"

#include <utility>

#include "libcore/base/error.h"

namespace reverse {

Pipeline::Pipeline(std::stop_token outer)
    : follow_outer_(std::move(outer), [this] { stop_.request_stop(); }) {}

Pipeline::~Pipeline() {
  stop_.request_stop();
}

void Pipeline::start(std::function<void()> stage) {
  threads_.emplace_back([this, stage = std::move(stage)] { run_here(stage); });
}

void Pipeline::run_here(const std::function<void()>& stage) noexcept {
  try {
    stage();
  } catch (const Cancelled&) {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    stop_.request_stop();
  } catch (...) {  // handed to wait(), which throws it
    std::lock_guard lock(mutex_);
    if (!first_error_) first_error_ = std::current_exception();
    stop_.request_stop();
  }
}

void Pipeline::wait() {
  for (std::jthread& thread : threads_)
    if (thread.joinable()) thread.join();
  threads_.clear();
  if (first_error_) std::rethrow_exception(first_error_);
  if (cancelled_) throw Cancelled();
}

}  // namespace reverse
