#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "libcore/base/fd.h"
#include "libcore/base/file_type.h"
#include "libcore/base/timestamp.h"

namespace reverse {

/// An open directory of the source. Shared by the walk and by whoever reads files in it later.
/// Immutable, thread-safe.
struct SourceDirectory {
  UniqueFd fd;
  std::string path;  ///< absolute, for messages
};

/// What `lstat` says of one name.
struct FileStatus {
  FileType type = FileType::file;
  std::uint32_t mode = 0;  ///< permission bits with set-id and sticky
  std::uint32_t uid = 0, gid = 0;
  std::uint64_t size = 0;    ///< bytes
  std::uint64_t blocks = 0;  ///< of 512 bytes
  std::uint64_t links = 0;
  std::uint64_t device = 0, inode = 0;
  std::uint32_t device_major = 0, device_minor = 0;  ///< of a device file
  Timestamp mtime, ctime;
  std::optional<Timestamp> btime;  ///< birth time, where the file system has it

  /// Fewer blocks than bytes: holes.
  bool sparse() const { return type == FileType::file && blocks * 512 < size; }
};

/// `statx` of `name` in the directory `fd`, without following a symlink; "" is the directory itself. Throws the errno's kind.
FileStatus file_status(int fd, const std::string& name, const std::string& display);

/// Extended attributes of `name` in the directory `fd` without following a symlink ("": the directory itself), sorted by name. Where the file
/// system has none: empty. Attributes that vanish between listing and reading are left out.
Xattrs read_xattrs(int fd, const std::string& name, const std::string& display);

/// One name of the source tree.
struct SourceEntry {
  std::string path;  ///< relative to the source, raw bytes; "" is the source itself
  FileStatus status;
  std::string target;  ///< symlinks
  /// What holds the name: open `name()` in it. For the source itself it is the source, and `name()` is "".
  std::shared_ptr<const SourceDirectory> directory;

  /// The last component of `path`.
  std::string name() const {
    return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  }
};

}  // namespace reverse
