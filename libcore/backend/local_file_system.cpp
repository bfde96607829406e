#include "libcore/backend/local_file_system.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstdio>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/base/units.h"

namespace reverse {

namespace {

// Not in linux/magic.h of every supported system.
constexpr auto kBcachefsMagic = 0xca451a4eu;
constexpr auto kXfsMagic = 0x58465342u;
constexpr auto kZfsMagic = 0x2fc12fc1u;

std::string nearest_existing(std::string path) {
  struct stat info;
  while (path != "/" && ::stat(path.c_str(), &info) != 0) path = parent_of(path);
  return path;
}

std::string mount_point_of(const std::string& path) {
  std::string inside = nearest_existing(path);
  struct stat here;
  struct stat above;
  while (inside != "/" && ::stat(inside.c_str(), &here) == 0 &&
         ::stat(parent_of(inside).c_str(), &above) == 0 && here.st_dev == above.st_dev)
    inside = parent_of(inside);
  return inside;
}

std::string describe_file_system(const std::string& path) {
  std::string mount_point = mount_point_of(path);
  struct statvfs info;
  if (::statvfs(mount_point.c_str(), &info) != 0)
    return fmt::format("file system at {}", quote_path(mount_point));
  if (info.f_files != 0 && info.f_favail == 0)
    return fmt::format("file system at {}, no inodes free", quote_path(mount_point));
  return fmt::format("file system at {}, {} free", quote_path(mount_point),
                     format_bytes(std::uint64_t{info.f_bavail} * info.f_frsize));
}

bool kernel_reports_write_back_errors() {
  struct utsname system;
  unsigned major = 0;
  unsigned minor = 0;
  return ::uname(&system) == 0 && std::sscanf(system.release, "%u.%u", &major, &minor) == 2 &&
         (major > 5 || (major == 5 && minor >= 8));
}

}  // namespace

void throw_local(int code, std::string_view act, const std::string& path) {
  try {
    throw_errno(code, fmt::format("{} {}", act, quote_path(path)));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::no_space)
      fail(ErrorKind::no_space, "{} ({})", error.what(), describe_file_system(path));
    if (error.kind() == ErrorKind::not_found && !certainly_absent(code, path))
      throw Error(ErrorKind::io, error.what());
    throw;
  }
}

bool certainly_absent(int code, const std::string& path) {
  if (code == ENOENT) return true;
  if (code != ENOTDIR) return false;
  struct stat info;
  return ::lstat(path.c_str(), &info) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

bool lacks_permission_bits(int code) {
  return code == EPERM || code == EOPNOTSUPP || code == ENOSYS;
}

std::string quote_path(const std::string& path) {
  return fmt::format("'{}'", printable(path));
}

std::string parent_of(const std::string& path) {
  std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::optional<std::uint64_t> free_bytes_at(const std::string& path) {
  struct statvfs info;
  if (::statvfs(path.c_str(), &info) != 0) return std::nullopt;
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

bool syncfs_is_reliable(int fd) {
  struct statfs info;
  if (!kernel_reports_write_back_errors() || ::fstatfs(fd, &info) != 0) return false;
  switch (static_cast<std::uint32_t>(info.f_type)) {
    case EXT4_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case NFS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case kBcachefsMagic:
    case kXfsMagic:
    case kZfsMagic:
      return true;
    default:
      return false;
  }
}

}  // namespace reverse
