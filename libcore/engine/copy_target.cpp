#include "libcore/engine/copy_target.h"

namespace reverse {

bool CopyTarget::has(const Sums& sums) {
  return is_elsewhere(sums) || is_accepted(sums) || is_stored(sums);
}

bool CopyTarget::is_accepted(const Sums& sums) {
  if (!must_remember()) return false;
  std::lock_guard lock(mutex_);
  return accepted_.contains(ContentKey::of(sums.digest, sums.check));
}

CopyTarget::Put CopyTarget::put(const Sums& sums, const std::string& path, const Fill& fill) {
  // What is stored turns out anyway where it does not count against what may be sent.
  if (must_remember() ? has(sums) : is_elsewhere(sums)) return Put::needless;
  if (const std::optional<Put> answer = turn_down(sums)) return *answer;
  try {
    if (store(sums, path, fill)) return Put::sent;
  } catch (...) {
    take_back(sums);
    throw;
  }
  take_back(sums);
  return Put::needless;
}

/// Why the content is not sent; nullopt: it is, and counts from now on.
std::optional<CopyTarget::Put> CopyTarget::turn_down(const Sums& sums) {
  if (!must_remember()) return std::nullopt;
  if (most_ && sums.size > *most_) return Put::too_large;
  std::lock_guard lock(mutex_);
  const ContentKey key = ContentKey::of(sums.digest, sums.check);
  if (accepted_.contains(key)) return Put::needless;
  if (most_ && sums.size > *most_ - bytes_) return Put::refused;
  accepted_.insert(key);
  bytes_ += sums.size;
  return std::nullopt;
}

void CopyTarget::take_back(const Sums& sums) {
  std::lock_guard lock(mutex_);
  if (accepted_.erase(ContentKey::of(sums.digest, sums.check)) > 0) bytes_ -= sums.size;
}

// --- WritingTarget

bool WritingTarget::store(const Sums& sums, const std::string& path, const Fill& fill) {
  bool is_sent = false;
  writer_.put(sums, [&] {
    is_sent = true;
    if (LargeUploads::is_large(sums.size)) return send_large(sums, path, fill);
    std::unique_ptr<Upload> upload = writer_.create();
    fill(*upload);
    return upload;
  });
  return is_sent;
}

std::unique_ptr<Upload> WritingTarget::send_large(const Sums& sums, const std::string& path,
                                                  const Fill& fill) {
  const std::unique_ptr<LargeUpload> upload = uploads_.begin(sums, path);
  try {
    fill(*upload);
  } catch (const ContentError&) {
    upload->discard();
    throw;
  }
  return upload->take();
}

// --- PlannedTarget

PlannedTarget::PlannedTarget(const Repository* repository, const Inventory* elsewhere,
                             std::optional<std::uint64_t> most)
    : CopyTarget(elsewhere, most) {
  if (repository) stored_.emplace(*repository);
}

bool PlannedTarget::is_stored(const Sums& sums) {
  if (!stored_) return false;
  for (const std::optional<Check>& variant : {std::optional<Check>(), sums.check})
    if (stored_->find({sums.digest, variant}) == sums.size) return true;
  return false;
}

}  // namespace reverse
