#include "libcore/backend/local_rename.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "libcore/backend/local_file_system.h"
#include "libcore/base/error.h"

namespace reverse {

namespace {

std::optional<MoveResult> result_of(int code) {
  switch (code) {
    case 0:
      return MoveResult::done;
    case EEXIST:
    case ENOTEMPTY:
      return MoveResult::exists;
    case ENOENT:
      return MoveResult::gone;
    default:
      return std::nullopt;
  }
}

[[noreturn]] void throw_move(int code, const std::string& from, const std::string& to) {
  throw_local(code, fmt::format("rename {} to", quote_path(from)), to);
}

bool same_file(const std::string& one, const std::string& other) {
  struct stat a;
  struct stat b;
  return ::lstat(one.c_str(), &a) == 0 && ::lstat(other.c_str(), &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

}  // namespace

MoveResult rename_without_replacing(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0)
    return MoveResult::done;
  int code = errno;
  if (auto result = result_of(code)) return *result;
  if (code != EINVAL && code != ENOSYS && code != EOPNOTSUPP) throw_move(code, from, to);
  if (auto result = move_by_link(from, to)) return *result;
  return move_by_check(from, to);
}

std::optional<MoveResult> move_by_link(const std::string& from, const std::string& to) {
  int code = ::link(from.c_str(), to.c_str()) == 0 ? 0 : errno;
  if (code == EPERM || code == EOPNOTSUPP || code == ENOSYS || code == EMLINK) return std::nullopt;
  auto result = result_of(code);
  if (!result) throw_move(code, from, to);
  // NFS repeats a request whose answer was lost: the name that is in the way may be this very link.
  if (result == MoveResult::exists && same_file(from, to)) result = MoveResult::done;
  if (result == MoveResult::done && ::unlink(from.c_str()) != 0 && errno != ENOENT)
    throw_local(errno, "remove", from);
  return result;
}

MoveResult move_by_check(const std::string& from, const std::string& to) {
  struct stat info;
  if (::lstat(to.c_str(), &info) == 0) return MoveResult::exists;
  if (errno != ENOENT) throw_move(errno, from, to);
  int code = ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
  if (auto result = result_of(code)) return *result;
  throw_move(code, from, to);
}

}  // namespace reverse
