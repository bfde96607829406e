#include "libcore/scan/source_entry.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "libcore/base/error.h"
#include "libcore/scan/stat_name.h"

namespace reverse {

namespace {

Timestamp to_timestamp(const struct statx_timestamp& time) {
  return {time.tv_sec, time.tv_nsec};
}

FileStatus to_status(const struct statx& from) {
  FileStatus status;
  status.type = file_type_of_mode(from.stx_mode);
  status.mode = from.stx_mode & 07777;
  status.uid = from.stx_uid;
  status.gid = from.stx_gid;
  status.size = from.stx_size;
  status.blocks = from.stx_blocks;
  status.links = from.stx_nlink;
  status.device = makedev(from.stx_dev_major, from.stx_dev_minor);
  status.inode = from.stx_ino;
  status.device_major = from.stx_rdev_major;
  status.device_minor = from.stx_rdev_minor;
  status.mtime = to_timestamp(from.stx_mtime);
  status.ctime = to_timestamp(from.stx_ctime);
  if (from.stx_mask & STATX_BTIME) status.btime = to_timestamp(from.stx_btime);
  return status;
}

/// The attributes of one file: by descriptor, or by a path whose last component is not followed.
class AttributeReader {
 public:
  AttributeReader(int fd, const std::string& name) : fd_(fd) {
    if (!name.empty()) path_ = fmt::format("/proc/self/fd/{}/{}", fd, name);
  }

  ssize_t list(char* to, std::size_t size) {
    if (!path_.empty()) return ::llistxattr(path_.c_str(), to, size);
    ssize_t n = ::flistxattr(fd_, to, size);
    // O_PATH descriptors have no attributes of their own; what they stand for is found through
    // /proc.
    return n < 0 && errno == EBADF ? ::listxattr(own_path().c_str(), to, size) : n;
  }

  ssize_t get(const std::string& attribute, char* to, std::size_t size) {
    if (!path_.empty()) return ::lgetxattr(path_.c_str(), attribute.c_str(), to, size);
    ssize_t n = ::fgetxattr(fd_, attribute.c_str(), to, size);
    return n < 0 && errno == EBADF ? ::getxattr(own_path().c_str(), attribute.c_str(), to, size)
                                   : n;
  }

 private:
  std::string own_path() const { return fmt::format("/proc/self/fd/{}", fd_); }

  int fd_;
  std::string path_;
};

/// What `fill(buffer, size)` delivers, with a buffer that grows until it fits.
/// nullopt if the errno is `absent`; throws others.
template <typename Fill>
std::optional<std::string> read_growing(Fill fill, int absent, const std::string& act) {
  constexpr std::size_t kMost = 1 << 20;  // the kernel's own limit is 64 KiB
  std::string buffer(512, '\0');
  for (;;) {
    ssize_t n = fill(buffer.data(), buffer.size());
    if (n >= 0) {
      buffer.resize(static_cast<std::size_t>(n));
      return buffer;
    }
    if (errno == absent) return std::nullopt;
    if (errno != ERANGE || buffer.size() >= kMost) throw_errno(errno, act);
    buffer.resize(buffer.size() * 16);
  }
}

}  // namespace

int stat_name(int fd, const char* name, FileStatus& status) {
  int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name == '\0' ? AT_EMPTY_PATH : 0);
  struct statx found;
  if (::statx(fd, name, flags, STATX_BASIC_STATS | STATX_BTIME, &found) != 0) return errno;
  try {
    status = to_status(found);
  } catch (const Error&) {  // an inode that only a damaged disk can show
    return EUCLEAN;
  }
  return 0;
}

int open_quietly(int fd, const char* name, int flags, uid_t owner) {
  static const uid_t self = ::geteuid();
  flags |= O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  if (self == 0 || self == owner) {
    int opened = ::openat(fd, name, flags | O_NOATIME);
    if (opened >= 0 || errno != EPERM) return opened;
  }
  return ::openat(fd, name, flags);
}

FileStatus file_status(int fd, const std::string& name, const std::string& display) {
  FileStatus status;
  if (int code = stat_name(fd, name.c_str(), status))
    throw_errno(code, fmt::format("stat '{}'", display));
  return status;
}

Xattrs read_xattrs(int fd, const std::string& name, const std::string& display) {
  AttributeReader reader(fd, name);
  auto names = read_growing([&](char* to, std::size_t size) { return reader.list(to, size); },
                            ENOTSUP, fmt::format("list attributes of '{}'", display));
  Xattrs attributes;
  if (!names) return attributes;
  for (std::size_t at = 0; at < names->size();) {
    std::string attribute(names->c_str() + at);
    at += attribute.size() + 1;
    auto value =
        read_growing([&](char* to, std::size_t size) { return reader.get(attribute, to, size); },
                     ENODATA, fmt::format("read attribute '{}' of '{}'", attribute, display));
    if (value) attributes.push_back({std::move(attribute), std::move(*value)});
  }
  std::ranges::sort(attributes, {}, &Xattr::name);
  return attributes;
}

}  // namespace reverse
