#include "libcore/base/file_type.h"

#include <sys/stat.h>

#include "libcore/base/error.h"

namespace reverse {

FileType file_type_of_mode(std::uint32_t st_mode) {
  switch (st_mode & S_IFMT) {
    case S_IFREG:
      return FileType::file;
    case S_IFDIR:
      return FileType::directory;
    case S_IFLNK:
      return FileType::symlink;
    case S_IFIFO:
      return FileType::fifo;
    case S_IFSOCK:
      return FileType::socket;
    case S_IFCHR:
      return FileType::character_device;
    case S_IFBLK:
      return FileType::block_device;
    default:
      fail(ErrorKind::unsupported, "unknown file type {:o}", st_mode & S_IFMT);
  }
}

std::uint32_t mode_of_file_type(FileType type) {
  switch (type) {
    case FileType::file:
      return S_IFREG;
    case FileType::directory:
    case FileType::repository:
      return S_IFDIR;
    case FileType::symlink:
      return S_IFLNK;
    case FileType::fifo:
      return S_IFIFO;
    case FileType::socket:
      return S_IFSOCK;
    case FileType::character_device:
      return S_IFCHR;
    case FileType::block_device:
      return S_IFBLK;
  }
  fail(ErrorKind::internal, "file type {}", static_cast<int>(type));
}

}  // namespace reverse
