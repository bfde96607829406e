#include "libcore/engine/copy_target.h"

namespace reverse {

namespace {

bool lies_elsewhere(const Inventory* elsewhere, const Sums& sums) {
  return elsewhere && elsewhere->has(sums);
}

}  // namespace

// --- WritingTarget

bool WritingTarget::has(const Sums& sums) {
  return lies_elsewhere(elsewhere_, sums) || writer_.has(sums);
}

CopyTarget::Put WritingTarget::put(const Sums& sums, const Fill& fill) {
  if (has(sums)) return Put::needless;
  if (sums.size > most_) return Put::too_large;
  if (sent_.fetch_add(sums.size) + sums.size > most_) {
    sent_ -= sums.size;
    return Put::refused;
  }
  bool is_sent = false;
  writer_.put(sums, [&](ByteSink& sink) {
    is_sent = true;
    fill(sink);
  });
  if (is_sent) return Put::sent;
  sent_ -= sums.size;  // another thread was faster
  return Put::needless;
}

// --- PlannedTarget

PlannedTarget::PlannedTarget(const Repository* repository, const Inventory* elsewhere,
                             std::optional<std::uint64_t> most)
    : elsewhere_(elsewhere), most_(most.value_or(kNoBound)) {
  if (repository) stored_.emplace(*repository);
}

bool PlannedTarget::has(const Sums& sums) {
  if (lies_elsewhere(elsewhere_, sums)) return true;
  {
    std::lock_guard lock(mutex_);
    if (planned_.contains(ContentKey::of(sums.digest, sums.check))) return true;
  }
  if (!stored_) return false;
  for (const std::optional<Check>& variant : {std::optional<Check>(), sums.check})
    if (stored_->find({sums.digest, variant}) == sums.size) return true;
  return false;
}

CopyTarget::Put PlannedTarget::put(const Sums& sums, const Fill&) {
  if (has(sums)) return Put::needless;
  if (sums.size > most_) return Put::too_large;
  std::lock_guard lock(mutex_);
  if (bytes_ + sums.size > most_) return Put::refused;
  if (!planned_.insert(ContentKey::of(sums.digest, sums.check)).second) return Put::needless;
  bytes_ += sums.size;
  return Put::sent;
}

}  // namespace reverse
