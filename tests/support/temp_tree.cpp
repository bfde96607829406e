#include "tests/support/temp_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"

namespace reverse {
namespace {

void check(int result, std::string_view call, const std::string& path) {
  if (result < 0) throw_errno(errno, fmt::format("{} '{}'", call, path));
}

}  // namespace

std::string TempTree::place(const std::string& name) {
  const std::string full = root_ / name;
  std::filesystem::create_directories(std::filesystem::path(full).parent_path());
  return full;
}

void TempTree::write(const std::string& name, std::string_view bytes, unsigned mode) {
  const std::string full = place(name);
  write_file(full, bytes, mode);
  check(::chmod(full.c_str(), mode), "chmod", full);
}

void TempTree::make_sparse(const std::string& name, std::uint64_t size) {
  const std::string full = place(name);
  const UniqueFd fd = open_file(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  check(::ftruncate(fd.get(), off_t(size)), "ftruncate", full);
}

void TempTree::make_dir(const std::string& name, unsigned mode) {
  const std::string full = place(name);
  check(::mkdir(full.c_str(), mode), "mkdir", full);
  check(::chmod(full.c_str(), mode), "chmod", full);
}

void TempTree::make_fifo(const std::string& name) {
  const std::string full = place(name);
  check(::mkfifo(full.c_str(), 0644), "mkfifo", full);
}

void TempTree::make_socket(const std::string& name) {
  const std::string full = place(name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (full.size() >= sizeof address.sun_path) throw_errno(ENAMETOOLONG, full);
  full.copy(address.sun_path, full.size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  check(fd.get(), "socket", full);
  check(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind",
        full);
}

void TempTree::symlink(const std::string& target, const std::string& name) {
  const std::string full = place(name);
  check(::symlink(target.c_str(), full.c_str()), "symlink", full);
}

void TempTree::hardlink(const std::string& existing, const std::string& name) {
  const std::string full = place(name);
  check(::link((root_ / existing).c_str(), full.c_str()), "link", full);
}

void TempTree::set_mtime(const std::string& name, Timestamp time) {
  const std::string full = root_ / name;
  timespec times[2] = {{0, UTIME_OMIT}, to_timespec(time)};
  check(::utimensat(AT_FDCWD, full.c_str(), times, AT_SYMLINK_NOFOLLOW), "utimensat", full);
}

void TempTree::set_mode(const std::string& name, unsigned mode) {
  const std::string full = root_ / name;
  check(::chmod(full.c_str(), mode), "chmod", full);
}

void TempTree::set_xattr(const std::string& name, const std::string& attribute,
                         std::string_view value) {
  const std::string full = root_ / name;
  check(::lsetxattr(full.c_str(), attribute.c_str(), value.data(), value.size(), 0), "lsetxattr",
        full);
}

void TempTree::rename(const std::string& from, const std::string& to) {
  const std::string full = place(to);
  check(::rename((root_ / from).c_str(), full.c_str()), "rename", full);
}

void TempTree::remove(const std::string& name) {
  std::filesystem::remove_all(root_ / name);
}

std::string TempTree::read(const std::string& name) const {
  return read_file(root_ / name);
}

bool TempTree::exists(const std::string& name) const {
  struct stat st;
  return ::lstat((root_ / name).c_str(), &st) == 0;
}

}  // namespace reverse
