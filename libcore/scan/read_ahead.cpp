#include "libcore/scan/read_ahead.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <new>
#include <utility>

#include "libcore/scan/stat_name.h"

namespace reverse {

namespace {

constexpr std::size_t kHeld = 64;    // directories; or less, lest descriptors run out
constexpr std::size_t kNames = 512;  // of one directory
constexpr std::size_t kTasks = 32;   // of one directory
constexpr std::size_t kLevels = 32;  // the deepest; others are not open any more
constexpr std::size_t kListingBuffer = 64 << 10;

std::size_t most_held() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  return std::clamp<std::size_t>(files.rlim_cur / 16, 8, kHeld);
}

}  // namespace

ReadAhead::ReadAhead(std::string source, const Filter& filter)
    : source_(std::move(source)),
      buffer_(std::make_unique_for_overwrite<char[]>(kListingBuffer)),
      most_held_(most_held()),
      filter_(filter),
      places_(most_held_) {}

ReadAhead::~ReadAhead() {
  std::unique_lock lock(mutex_);
  ends_ = true;
  wake(lock);
  if (reader_.joinable()) reader_.join();
}

// --- the walk

void ReadAhead::enter(Upcoming upcoming) {
  std::lock_guard lock(mutex_);
  levels_.push_back(std::move(upcoming));
}

void ReadAhead::leave() {
  std::lock_guard lock(mutex_);
  levels_.pop_back();
}

void ReadAhead::look_ahead(const std::shared_ptr<const SourceDirectory>& directory,
                           const std::string& path, std::uint64_t device, const Listing& names) {
  Upcoming& level = levels_.back();
  if (level.next == names.size() || level.tasks.size() > kTasks / 2) return;
  std::unique_lock lock(mutex_);
  fill(level, directory, path, device, names);
  if (level.tasks.empty()) return;
  wake(lock);
  if (!reader_.joinable()) reader_ = std::thread([this] { work(); });
}

std::unique_ptr<ReadAhead::Directory> ReadAhead::take(std::size_t index) {
  std::unique_lock lock(mutex_);
  if (levels_.empty()) return nullptr;
  auto& tasks = levels_.back().tasks;
  std::shared_ptr<Task> task;
  for (; !tasks.empty() && tasks.front()->index <= index; tasks.pop_front()) task = tasks.front();
  if (!task || task->index != index) return nullptr;
  while (task->state == State::reading)
    if (!read_next(lock, buffer_.get()))
      done_.wait(lock, [&] { return task->state != State::reading; });
  if (task->found) task->found->place.release();
  ++taken_;
  if (taken_ >= most_held_ / 2) wake(lock);
  return std::move(task->found);
}

/// Gives up the lock first, or who wakes would wait for it.
void ReadAhead::wake(std::unique_lock<std::mutex>& lock) {
  const bool was_idle = std::exchange(idle_, false);
  lock.unlock();
  if (was_idle) news_.notify_one();
}

// --- reading

void ReadAhead::work() {
  auto buffer = std::make_unique_for_overwrite<char[]>(kListingBuffer);
  std::unique_lock lock(mutex_);
  while (!ends_) {
    if (read_next(lock, buffer.get())) continue;
    idle_ = true;
    taken_ = 0;
    news_.wait(lock, [this] { return !idle_; });
  }
}

/// Reads the next directory that nobody has begun, without the lock. False if there is none, or no
/// place for it.
bool ReadAhead::read_next(std::unique_lock<std::mutex>& lock, char* buffer) {
  const std::shared_ptr<Task> task = next_task();
  if (!task) return false;
  std::optional<ByteBudget::Share> place = places_.try_draw(1);
  if (!place) return false;
  task->state = State::reading;
  lock.unlock();
  std::unique_ptr<Directory> found;
  try {
    found = read(*task, buffer);
  } catch (const std::bad_alloc&) {
    found.reset();  // the walk will meet it as well, and tell
  }
  lock.lock();
  if (found) {
    found->place = std::move(*place);
    fill(found->upcoming, found->opened, task->path, task->device, found->names);
  }
  task->found = std::move(found);
  task->state = State::done;
  done_.notify_one();
  return true;
}

std::shared_ptr<ReadAhead::Task> ReadAhead::next_task() const {
  const std::size_t lowest = levels_.size() - std::min(levels_.size(), kLevels);
  for (std::size_t i = levels_.size(); i > lowest; --i)
    if (auto task = first_waiting(levels_[i - 1])) return task;
  return nullptr;
}

/// In the walk's order.
std::shared_ptr<ReadAhead::Task> ReadAhead::first_waiting(const Upcoming& upcoming) {
  for (const auto& task : upcoming.tasks) {
    if (task->state == State::waiting) return task;
    if (!task->found) continue;
    if (auto below = first_waiting(task->found->upcoming)) return below;
  }
  return nullptr;
}

/// Null if it cannot be read, or is no directory on the device of its parent.
std::unique_ptr<ReadAhead::Directory> ReadAhead::read(const Task& task, char* buffer) const {
  const std::shared_ptr<const SourceDirectory> parent = task.parent.lock();
  if (!parent) return nullptr;
  const char* name = task.path.c_str() + task.path.rfind('/') + 1;  // npos + 1 is 0
  FileStatus before;
  if (stat_name(parent->fd.get(), name, before) != 0) return nullptr;
  if (before.type != FileType::directory || before.device != task.device) return nullptr;
  UniqueFd fd(open_quietly(parent->fd.get(), name, O_RDONLY | O_DIRECTORY, before.uid));
  auto found = std::make_unique<Directory>();
  if (!fd || stat_name(fd.get(), "", found->status) != 0) return nullptr;
  if (!same_inode(before, found->status)) return nullptr;
  Listing& names = found->names;
  if (read_listing(fd.get(), buffer, kListingBuffer, names, kNames) != 0) return nullptr;
  found->seen.resize(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].type == DT_DIR || names[i].type == DT_UNKNOWN) continue;  // it may be a mount
    std::optional<FileStatus>& seen = found->seen[i];
    if (stat_name(fd.get(), names.c_str(names[i]), seen.emplace()) != 0) seen.reset();
  }
  found->opened = OpenDirectory::make(std::move(fd), source_, task.path);
  return found;
}

void ReadAhead::fill(Upcoming& upcoming, const std::shared_ptr<const SourceDirectory>& directory,
                     const std::string& path, std::uint64_t device, const Listing& names) {
  for (; upcoming.next < names.size() && upcoming.tasks.size() < kTasks; ++upcoming.next) {
    const Listing::Name& name = names[upcoming.next];
    if (name.type != DT_DIR) continue;
    auto task = std::make_shared<Task>();
    task->index = upcoming.next;
    task->parent = directory;
    task->device = device;
    task->path = joined(path, names.view(name));
    if (!filter_.excludes(task->path, true)) upcoming.tasks.push_back(std::move(task));
  }
}

}  // namespace reverse
