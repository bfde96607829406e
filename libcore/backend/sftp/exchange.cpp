#include "libcore/backend/sftp/exchange.h"

#include <iterator>
#include <utility>

#include "libcore/backend/sftp/under_way.h"
#include "libcore/base/error.h"

namespace reverse::sftp {

namespace {

thread_local int answering = 0;

void must_be_free_to_wait() {
  if (Answering::here())
    fail(ErrorKind::internal,
         "the reply to an SFTP request is waited for where replies are handled");
}

}  // namespace

Answering::Answering() {
  ++answering;
}
Answering::~Answering() {
  --answering;
}
bool Answering::here() {
  return answering > 0;
}

void answer_lost(const Client::Done& done, const std::string& reason) {
  Answering scope;
  done({.status = Status::connection_lost, .message = reason, .lost = true});
}

/// One request is taken however large it is.
bool Exchange::fits(const Request& request) const {
  return requests_ == 0 ||
         (requests_ < windows_.requests && weight_ + weight_of(request) <= windows_.out_bytes);
}

void Exchange::wake_if(bool wanted) {
  if (!asleep_ || !wanted) return;
  asleep_ = false;
  link_->wake();  // under the lock: the connection's thread takes the link away under it
}

void Exchange::submit(Queued queued) {
  std::unique_lock lock(mutex_);
  if (!Answering::here()) roomy_.wait(lock, [&] { return lost_ || fits(queued.request); });
  if (lost_) {
    lock.unlock();
    return answer_lost(queued.done, reason_);
  }
  ++requests_;
  weight_ += weight_of(queued.request);
  submitted_.push_back(std::move(queued));
  wake_if(wake_for_requests_);
}

void Exchange::submit(Order order) {
  must_be_free_to_wait();
  std::lock_guard lock(mutex_);
  if (lost_) throw_loss();
  orders_.push_back(std::move(order));
  wake_if(true);
}

void Exchange::wait_for(std::unique_lock<std::mutex>& lock, const bool& ready) {
  if (!ready && !lost_) must_be_free_to_wait();
  changed_.wait(lock, [&] { return ready || lost_; });
  if (!ready) throw_loss();
}

const ServerVersion& Exchange::version() {
  std::unique_lock lock(mutex_);
  wait_for(lock, greeted_);
  return version_;
}

const ServerLimits& Exchange::limits() {
  std::unique_lock lock(mutex_);
  wait_for(lock, told_);
  return limits_;
}

bool Exchange::alive() const {
  std::lock_guard lock(mutex_);
  return !lost_;
}

bool Exchange::was_ready() const {
  std::lock_guard lock(mutex_);
  return told_;
}

std::string Exchange::loss() const {
  std::lock_guard lock(mutex_);
  return reason_;
}

void Exchange::throw_loss() const {
  try {
    std::rethrow_exception(failure_);
  } catch (const Error& error) {
    throw Error(error);  // a copy for each: contexts are added to them
  }
}

void Exchange::look_again() {
  std::lock_guard lock(mutex_);
  wake_if(true);
}

void Exchange::stop() {
  std::lock_guard lock(mutex_);
  stop_ = true;
  wake_if(true);
}

void Exchange::attach(Link& link) {
  std::lock_guard lock(mutex_);
  link_ = &link;
}

bool Exchange::collect(std::deque<Queued>& requests, std::vector<Order>& orders) {
  std::lock_guard lock(mutex_);
  asleep_ = false;
  if (requests.empty()) {
    requests.swap(submitted_);
  } else {
    requests.insert(requests.end(), std::move_iterator(submitted_.begin()),
                    std::move_iterator(submitted_.end()));
    submitted_.clear();
  }
  std::move(orders_.begin(), orders_.end(), std::back_inserter(orders));
  orders_.clear();
  return !stop_;
}

bool Exchange::fall_asleep(bool for_requests) {
  std::lock_guard lock(mutex_);
  if (stop_ || !orders_.empty() || (for_requests && !submitted_.empty())) return false;
  wake_for_requests_ = for_requests;
  asleep_ = true;
  return true;
}

void Exchange::greeted(ServerVersion version) {
  std::lock_guard lock(mutex_);
  version_ = std::move(version);
  greeted_ = true;
  changed_.notify_all();
}

void Exchange::told(ServerLimits limits) {
  std::lock_guard lock(mutex_);
  limits_ = limits;
  told_ = true;
  changed_.notify_all();
}

void Exchange::answered(std::size_t requests, std::size_t weight) {
  std::lock_guard lock(mutex_);
  requests_ -= requests;
  weight_ -= weight;
  // Not at every reply: those who wait should find room for several requests each time they wake.
  if (requests_ <= windows_.requests - windows_.requests / 4 &&
      weight_ <= windows_.out_bytes - windows_.out_bytes / 4)
    roomy_.notify_all();
}

void Exchange::lose(std::exception_ptr failure, std::string reason) {
  std::lock_guard lock(mutex_);
  failure_ = std::move(failure);
  reason_ = std::move(reason);
  lost_ = true;
  link_ = nullptr;
  asleep_ = false;
  changed_.notify_all();
  roomy_.notify_all();
}

}  // namespace reverse::sftp
