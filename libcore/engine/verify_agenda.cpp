#include "libcore/engine/verify_agenda.h"

#include <algorithm>

namespace reverse {

/// Cuts time where the parts get about the same number of objects.
Agenda::Agenda(const std::map<std::int64_t, std::uint64_t>& minutes) {
  std::uint64_t total = 0, sum = 0;
  for (const auto& [minute, count] : minutes) total += count;
  for (const auto& [minute, count] : minutes) {
    sum += count;
    if (sum * layout::kShards >= (ends_.size() + 1) * total && ends_.size() + 1 < layout::kShards)
      ends_.push_back(minute + 1);
  }
}

void Agenda::add(DueObject object) {
  ++objects_;
  bytes_ += object.size;
  if (object.verified == 0) {
    object.part = static_cast<std::uint8_t>(object.name.shard());
    ++never_count_;
    never_.add(object);
  } else {
    auto place = std::upper_bound(ends_.begin(), ends_.end(), object.verified);
    object.part = static_cast<std::uint8_t>(place - ends_.begin());
    known_.add(object);
  }
}

const DueObject* Agenda::peek() {
  for (; at_ == loaded_.size() && part_ < 2 * layout::kShards; ++part_) {
    bool is_known = part_ >= layout::kShards;
    loaded_ = is_known ? known_.shard(part_ - layout::kShards) : never_.shard(part_);
    at_ = 0;
  }
  return at_ < loaded_.size() ? &loaded_[at_] : nullptr;
}

std::vector<DueObject> Agenda::next(const ProofBatch& batch) {
  std::lock_guard lock(mutex_);
  std::vector<DueObject> objects;
  std::uint64_t bytes = 0;
  for (const DueObject* object = peek(); object != nullptr && objects.size() < batch.objects;
       object = peek()) {
    bytes += std::min(object->size, batch.heaviest);
    if (!objects.empty() && bytes > batch.bytes) break;
    objects.push_back(*object);
    if (object->verified == 0) --never_count_;
    ++at_;
  }
  return objects;
}

std::uint64_t Agenda::never_left() {
  std::lock_guard lock(mutex_);
  return never_count_;
}

std::optional<std::int64_t> Agenda::oldest_left() {
  std::lock_guard lock(mutex_);
  while (const DueObject* object = peek()) {
    if (object->verified != 0) return object->verified;
    at_ = loaded_.size();  // never verified: all of this part
  }
  return std::nullopt;
}

}  // namespace reverse
