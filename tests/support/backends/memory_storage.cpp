#include "tests/support/backends/memory_storage.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "libcore/base/text.h"

namespace reverse {

MemoryStorage::MemoryStorage() {
  static std::atomic<int> count = 0;
  name_ = fmt::format("memory{}", ++count);
}

void MemoryStorage::power_cut(const std::function<bool()>& survives) {
  std::lock_guard lock(mutex_);
  make_durable([&](const Change&) { return survives && survives(); });
  changes_.clear();
  for (const NodePtr& directory : directories_) directory->entries = directory->durable_entries;
  for (const auto& file : files_) {
    NodePtr node = file.lock();
    if (!node || node->durable_bytes) continue;
    node->bytes.clear();
    node->stat.size = 0;
  }
  ++power_cuts_;
}

std::shared_ptr<MemoryStorage> MemoryStorage::copy() {
  std::lock_guard lock(mutex_);
  auto other = std::make_shared<MemoryStorage>();
  other->clock_ = clock_;
  other->name_ = name_;
  for (const auto& [name, root] : top_->entries) other->top_->entries[name] = other->add_copy(*root);
  other->top_->durable_entries = other->top_->entries;
  return other;
}

std::size_t MemoryStorage::volatile_changes() {
  std::lock_guard lock(mutex_);
  return changes_.size();
}

void MemoryStorage::set_clock(std::function<Timestamp()> clock) {
  std::lock_guard lock(mutex_);
  clock_ = std::move(clock);
}

MemoryStorage::Place MemoryStorage::find(const RepoPath& path) {
  auto child = [](const NodePtr& directory, const std::string& name) {
    auto place = directory->entries.find(name);
    return place == directory->entries.end() ? nullptr : place->second;
  };
  Place at{top_, "", child(top_, "")};
  if (path.empty()) return at;
  for (std::string_view name : split(path, '/')) {
    bool inside = at.node && at.node->stat.type == FileType::directory;
    at = {inside ? at.node : nullptr, std::string(name), nullptr};
    if (inside) at.node = child(at.directory, at.name);
  }
  return at;
}

MemoryStorage::NodePtr MemoryStorage::make_node(FileType type, std::uint32_t mode) {
  auto node = std::make_shared<Node>();
  node->stat = {.type = type, .size = 0, .mode = mode, .mtime = clock_(), .links = 1};
  return add(node);
}

MemoryStorage::NodePtr MemoryStorage::add(const NodePtr& node) {
  if (node->stat.type == FileType::directory)
    directories_.insert(node);
  else
    files_.insert(node);
  return node;
}

MemoryStorage::NodePtr MemoryStorage::add_copy(const Node& original) {
  auto node = std::make_shared<Node>();
  node->stat = original.stat;
  node->bytes = original.bytes;
  node->durable_bytes = true;
  for (const auto& [name, child] : original.entries) node->entries[name] = add_copy(*child);
  node->durable_entries = node->entries;
  return add(node);
}

void MemoryStorage::apply(const void* owner, std::vector<Edit> edits) {
  for (const Edit& edit : edits) {
    if (edit.node)
      edit.directory->entries[edit.name] = edit.node;
    else
      edit.directory->entries.erase(edit.name);
  }
  changes_.push_back({owner, std::move(edits)});
}

// A later change of a name wins over earlier ones, even if it became durable first.
void MemoryStorage::make_durable(const std::function<bool(const Change&)>& wanted) {
  std::set<std::pair<NodePtr, std::string>> settled;
  std::vector<Change> still_volatile;
  std::vector<bool> chosen;
  for (const Change& change : changes_) chosen.push_back(wanted(change));
  for (std::size_t i = changes_.size(); i-- > 0;) {
    Change& change = changes_[i];
    std::erase_if(change.edits, [&](const Edit& edit) {
      return settled.contains({edit.directory, edit.name});
    });
    if (!chosen[i]) {
      still_volatile.push_back(std::move(change));
      continue;
    }
    for (const Edit& edit : change.edits) {
      settled.emplace(edit.directory, edit.name);
      if (edit.node)
        edit.directory->durable_entries[edit.name] = edit.node;
      else
        edit.directory->durable_entries.erase(edit.name);
    }
  }
  std::erase_if(still_volatile, [](const Change& change) { return change.edits.empty(); });
  std::reverse(still_volatile.begin(), still_volatile.end());
  changes_ = std::move(still_volatile);
}

}  // namespace reverse
