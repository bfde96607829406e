#include "libcore/engine/target_tree.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/engine/restore.h"

namespace reverse {

namespace {

constexpr std::size_t kHoleUnit = 4096;
constexpr std::uint32_t kSetIdBits = 06000;

std::atomic<int> open_directories{0};

/// Half of the descriptors this process may have: the rest is for files.
int directory_limit() {
  static const int limit = [] {
    rlimit nofile{};
    ::getrlimit(RLIMIT_NOFILE, &nofile);
    return static_cast<int>(std::min<rlim_t>(nofile.rlim_cur, 100'000) / 2);
  }();
  return limit;
}

bool needs_special(const std::string& xattr) {
  return xattr.starts_with("security.") || xattr.starts_with("trusted.");
}

/// The id of an account, by `look_up`; -1 if there is none.
std::int64_t user_id(const std::string& name) {
  passwd record, *found = nullptr;
  std::vector<char> buffer(16384);
  ::getpwnam_r(name.c_str(), &record, buffer.data(), buffer.size(), &found);
  return found != nullptr ? static_cast<std::int64_t>(found->pw_uid) : -1;
}
std::int64_t group_id(const std::string& name) {
  group record, *found = nullptr;
  std::vector<char> buffer(65536);
  ::getgrnam_r(name.c_str(), &record, buffer.data(), buffer.size(), &found);
  return found != nullptr ? static_cast<std::int64_t>(found->gr_gid) : -1;
}

std::uint32_t cached_id(std::unordered_map<std::string, std::int64_t>& cache, const std::string& name,
                        std::uint32_t number, std::int64_t (*look_up)(const std::string&)) {
  if (name.empty()) return number;
  auto [at, is_new] = cache.try_emplace(name, -1);
  if (is_new) at->second = look_up(name);
  return at->second < 0 ? number : static_cast<std::uint32_t>(at->second);
}

/// Lets its owner work in a directory whose mode forbids that; in the end it gets the revision's mode.
void open_to_owner(int above, const std::string& name, mode_t mode) {
  // Modes are changed by names, and a name may have become a symlink; this descriptor's own name has not.
  UniqueFd fd(::openat(above, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd) ::chmod(fmt::format("/proc/self/fd/{}", fd.get()).c_str(), (mode & 07777) | S_IRWXU);
}

}  // namespace

// --- metadata

MetadataWriter::MetadataWriter(const RestoreOptions& options)
    : special_(options.special),
      set_owners_(!options.no_owner && ::geteuid() == 0),
      numeric_ids_(options.numeric_ids) {}

MetadataWriter::Ids MetadataWriter::ids_of(const Entry& entry) {
  if (numeric_ids_) return {entry.uid, entry.gid};
  std::size_t colon = std::min(entry.owner.find(':'), entry.owner.size());
  std::string group = colon < entry.owner.size() ? entry.owner.substr(colon + 1) : "";
  std::lock_guard lock(mutex_);
  return {cached_id(users_, entry.owner.substr(0, colon), entry.uid, user_id),
          cached_id(groups_, group, entry.gid, group_id)};
}

void MetadataWriter::set_owner(int directory_fd, const char* name, const Entry& entry) {
  if (!set_owners_) return;
  Ids ids = ids_of(entry);
  int flags = AT_SYMLINK_NOFOLLOW | (*name == '\0' ? AT_EMPTY_PATH : 0);
  if (::fchownat(directory_fd, name, ids.uid, ids.gid, flags) != 0) ++owners_left_out_;
}

void MetadataWriter::set_xattrs(const std::string& path, const Entry& entry) {
  for (const Xattr& xattr : entry.xattrs) {
    if (needs_special(xattr.name) && !special_) {
      ++special_left_out_;
    } else if (::lsetxattr(path.c_str(), xattr.name.c_str(), xattr.value.data(),
                           xattr.value.size(), 0) != 0) {
      throw_errno(errno, fmt::format("set attribute '{}'", printable(xattr.name)));
    }
  }
}

void MetadataWriter::apply(int fd, const Entry& entry, const std::string& display) {
  // The order matters: a change of owner takes set-id bits and capabilities away, and attributes need write permission.
  set_owner(fd, "", entry);
  std::string xattr_error;
  try {
    for (const Xattr& xattr : entry.xattrs) set_xattr(fd, xattr);
  } catch (const Error& error) {
    xattr_error = error.what();  // mode and times are set all the same
  }
  std::uint32_t mode = entry.mode;
  if (entry.type == FileType::file && (mode & kSetIdBits) != 0 && !special_) {
    mode &= ~kSetIdBits;
    ++special_left_out_;
  }
  if (::fchmod(fd, mode) != 0) throw_errno(errno, fmt::format("set mode of '{}'", printable(display)));
  timespec times[2] = {{0, UTIME_OMIT}, to_timespec(entry.mtime)};
  if (entry.type != FileType::repository && ::futimens(fd, times) != 0)
    throw_errno(errno, fmt::format("set times of '{}'", printable(display)));
  if (!xattr_error.empty())
    fail(ErrorKind::unsupported, "'{}': {}", printable(display), xattr_error);
}

void MetadataWriter::set_xattr(int fd, const Xattr& xattr) {
  if (needs_special(xattr.name) && !special_) {
    ++special_left_out_;
  } else if (::fsetxattr(fd, xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0) != 0) {
    throw_errno(errno, fmt::format("set attribute '{}'", printable(xattr.name)));
  }
}

void MetadataWriter::apply_to_name(int directory_fd, const std::string& name, const Entry& entry,
                                   const std::string& display) {
  set_owner(directory_fd, name.c_str(), entry);
  if (entry.type != FileType::symlink &&
      ::fchmodat(directory_fd, name.c_str(), entry.mode, 0) != 0)
    throw_errno(errno, fmt::format("set mode of '{}'", printable(display)));
  // A symlink has no descriptor to set attributes by; the directory's magic link leads to it without following it.
  set_xattrs(fmt::format("/proc/self/fd/{}/{}", directory_fd, name), entry);
  timespec times[2] = {{0, UTIME_OMIT}, to_timespec(entry.mtime)};
  if (::utimensat(directory_fd, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
    throw_errno(errno, fmt::format("set times of '{}'", printable(display)));
}

// --- directories

TargetDirectory::TargetDirectory(UniqueFd fd, std::string display, MetadataWriter& metadata)
    : display_(std::move(display)), metadata_(&metadata), made_(true), fd_(std::move(fd)) {
  ++open_directories;
}

TargetDirectory::TargetDirectory(std::shared_ptr<TargetDirectory> parent, std::string name,
                                 bool wanted, bool replace)
    : parent_(std::move(parent)),
      name_(std::move(name)),
      display_(parent_->display(name_)),
      metadata_(parent_->metadata_),
      wanted_(wanted),
      replace_(replace) {
  parent_->enter();
}

TargetDirectory::~TargetDirectory() {
  if (fd_) --open_directories;
}

void TargetDirectory::make() {
  std::lock_guard lock(mutex_);
  if (made_) return;
  Handle above = parent_->open();
  if (::mkdirat(above.fd, name_.c_str(), 0700) != 0) {
    if (errno != EEXIST) throw_errno(errno, fmt::format("make directory '{}'", printable(display_)));
    struct stat there {};
    if (::fstatat(above.fd, name_.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0)
      throw_errno(errno, fmt::format("look at '{}'", printable(display_)));
    if (!S_ISDIR(there.st_mode)) {
      if (!replace_)
        fail(ErrorKind::exists, "'{}' is there and is no directory", printable(display_));
      if (::unlinkat(above.fd, name_.c_str(), 0) != 0 ||
          ::mkdirat(above.fd, name_.c_str(), 0700) != 0)
        throw_errno(errno, fmt::format("replace '{}' by a directory", printable(display_)));
    } else if ((there.st_mode & S_IRWXU) != S_IRWXU && there.st_uid == ::geteuid()) {
      open_to_owner(above.fd, name_, there.st_mode);
    }
  }
  made_ = true;
  if (open_directories >= directory_limit()) return;
  fd_ = open_in(above.fd);
  ++open_directories;
}

UniqueFd TargetDirectory::open_in(int above) const {
  UniqueFd fd(::openat(above, name_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) throw_errno(errno, fmt::format("open directory '{}'", printable(display_)));
  return fd;
}

TargetDirectory::Handle TargetDirectory::open() {
  make();
  if (fd_) return {fd_.get(), {}};
  // Not kept: reached from the nearest directory above that is.
  std::vector<const TargetDirectory*> below;
  const TargetDirectory* kept = this;
  for (; !kept->fd_; kept = kept->parent_.get()) below.push_back(kept);
  UniqueFd fd;
  for (auto at = below.rbegin(); at != below.rend(); ++at)
    fd = (*at)->open_in(fd ? fd.get() : kept->fd_.get());
  int number = fd.get();
  return {number, std::move(fd)};
}

void TargetDirectory::leave(std::string& errors) {
  if (--pending_ > 0) return;
  try {
    if (wanted_ && !made_) make();
    if (made_ && entry_) metadata_->apply(open().fd, *entry_, display_);
  } catch (const Error& error) {
    errors.append(errors.empty() ? "" : "; ").append(error.what());
  }
  if (fd_ && parent_) {
    fd_.reset();
    --open_directories;
  }
  if (parent_) parent_->leave(errors);
}

// --- files

FileSink::FileSink(int fd, bool sparse, std::string display)
    : fd_(fd), sparse_(sparse), display_(std::move(display)) {}

void FileSink::write(ByteView bytes) {
  if (is_hole(bytes)) return skip(bytes.size());
  if (!sparse_) return put(bytes);
  // Units are aligned in the file, so that a hole really frees blocks.
  while (!bytes.empty()) {
    std::size_t unit = std::min(bytes.size(), kHoleUnit - size_ % kHoleUnit);
    bool zeros = std::memcmp(bytes.data(), zero_block().data(), unit) == 0;
    std::size_t run = unit;
    while (run + kHoleUnit <= bytes.size() &&
           (std::memcmp(bytes.data() + run, zero_block().data(), kHoleUnit) == 0) == zeros)
      run += kHoleUnit;
    zeros ? skip(run) : put(bytes.substr(0, run));
    bytes.remove_prefix(run);
  }
}

void FileSink::put(ByteView bytes) {
  write_full(fd_, bytes, display_);
  size_ += bytes.size();
  ends_in_hole_ = false;
}

void FileSink::skip(std::size_t count) {
  if (::lseek(fd_, static_cast<off_t>(count), SEEK_CUR) < 0)
    throw_errno(errno, fmt::format("seek in '{}'", printable(display_)));
  size_ += count;
  ends_in_hole_ = true;
}

void FileSink::restart() {
  if (::ftruncate(fd_, 0) != 0 || ::lseek(fd_, 0, SEEK_SET) != 0)
    throw_errno(errno, fmt::format("empty '{}'", printable(display_)));
  size_ = 0;
  ends_in_hole_ = false;
}

void FileSink::finish() {
  if (ends_in_hole_ && ::ftruncate(fd_, static_cast<off_t>(size_)) != 0)
    throw_errno(errno, fmt::format("set length of '{}'", printable(display_)));
}

}  // namespace reverse
