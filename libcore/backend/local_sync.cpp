#include "libcore/backend/local_sync.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "libcore/backend/local_file_system.h"

namespace reverse {

namespace {

/// Up to here an fsync of each directory is cheaper than writing back the whole file system.
constexpr std::size_t kDirectoriesOneByOne = 32;

}  // namespace

void LocalSync::begin() {
  if (begun_ || durability_ != Durability::barrier) return;
  std::lock_guard lock(sync_mutex_);
  if (begun_) return;
  root_fd_ = UniqueFd(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root_fd_ && errno == ENOENT) return;
  can_sync_all_ = root_fd_ && syncfs_is_reliable(root_fd_.get());
  begun_ = true;
}

void LocalSync::sync_all() {
  std::lock_guard lock(sync_mutex_);
  throw_if_failed();
  if (::syncfs(root_fd_.get()) != 0) fail_for_good(errno, "sync file system of", root_);
}

void LocalSync::sync_file(int fd, const std::string& path) {
  if (!durable()) return;
  throw_if_failed();
  if (::fsync(fd) != 0) fail_for_good(errno, "sync", path);
}

void LocalSync::sync_directories(const std::set<std::string>& directories) {
  if (!durable()) return;
  if (directories.size() > kDirectoriesOneByOne) begin();
  if (directories.size() > kDirectoriesOneByOne && can_sync_all()) return sync_all();
  for (const std::string& directory : directories) sync_directory(directory);
}

void LocalSync::sync_directory(const std::string& directory) {
  throw_if_failed();
  UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && certainly_absent(errno, directory)) return;
  if (!fd) throw_local(errno, "open", directory);
  // EINVAL: this file system has no fsync of directories, hence nothing that could be done.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) fail_for_good(errno, "sync", directory);
}

bool LocalSync::may_keep_descriptor() {
  if (durability_ != Durability::barrier) return false;
  if (++kept_ <= kDescriptors) return true;
  --kept_;
  return false;
}

void LocalSync::throw_if_failed() {
  std::lock_guard lock(failure_mutex_);
  if (failure_) throw Error(*failure_);
}

void LocalSync::fail_for_good(int code, std::string_view act, const std::string& path) {
  try {
    throw_local(code, act, path);
  } catch (const Error& error) {
    std::lock_guard lock(failure_mutex_);
    if (!failure_) failure_ = error;
    throw;
  }
}

}  // namespace reverse
