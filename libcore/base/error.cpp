#include "libcore/base/error.h"

#include <cerrno>
#include <system_error>

namespace reverse {

ErrorKind kind_of_errno(int code) {
  switch (code) {
    case ENOENT:
    case ENOTDIR:
      return ErrorKind::not_found;
    case EEXIST:
      return ErrorKind::exists;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorKind::permission;
    case ENOSPC:
    case EDQUOT:
      return ErrorKind::no_space;
    case EFBIG:  // of the file system, or of a limit
    case EOPNOTSUPP:
    case ENOSYS:
      return ErrorKind::unsupported;
    case EBUSY:
    case EAGAIN:
      return ErrorKind::busy;
    default:
      return ErrorKind::io;
  }
}

void throw_errno(int code, std::string_view act) {
  throw Error(kind_of_errno(code),
              fmt::format("{}: {}", act, std::generic_category().message(code)));
}

}  // namespace reverse
