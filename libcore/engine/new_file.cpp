#include "libcore/engine/new_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "libcore/base/error.h"
#include "libcore/base/random.h"
#include "libcore/base/text.h"

namespace reverse {

namespace {

UniqueFd open_unnamed(int directory) {
  return UniqueFd(::openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}

std::string path_of(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

bool link_file(int fd, int directory, const char* name) {
  return ::linkat(AT_FDCWD, path_of(fd).c_str(), directory, name, AT_SYMLINK_FOLLOW) == 0;
}

}  // namespace

TemporaryName::TemporaryName(int directory)
    : directory_(directory), name_(".reverse-" + random_hex(8)) {}

TemporaryName::~TemporaryName() {
  if (armed_) ::unlinkat(directory_, name_.c_str(), 0);
}

void TemporaryName::give(const NewName& name, bool replace) {
  const unsigned flags = replace ? 0 : RENAME_NOREPLACE;
  if (::renameat2(directory_, name_.c_str(), directory_, name.name.c_str(), flags) != 0) {
    // A file system without RENAME_NOREPLACE: link does not replace either.
    bool linked = errno == EINVAL && flags != 0 &&
                  ::linkat(directory_, name_.c_str(), directory_, name.name.c_str(), 0) == 0;
    if (!linked) throw_errno(errno, fmt::format("name '{}'", printable(name.display)));
    return;  // the destructor takes the temporary name away
  }
  armed_ = false;
}

/// Where /proc is missing, or links are forbidden, they stay without.
bool can_name_files(int directory) {
  const UniqueFd fd = open_unnamed(directory);
  TemporaryName name(directory);
  if (!fd || !link_file(fd.get(), directory, name.c_str())) return false;
  name.arm();
  return true;
}

NewFile::NewFile(const NewName& name, bool unnamed) : name_(name), temporary_(name.directory) {
  if (unnamed) fd_ = open_unnamed(name.directory);
  if (fd_) return;
  constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  fd_ = UniqueFd(::openat(name.directory, temporary_.c_str(), kFlags, 0600));
  if (!fd_) throw_errno(errno, fmt::format("create '{}'", printable(name.display)));
  temporary_.arm();
}

UniqueFd NewFile::open_again() const {
  UniqueFd fd(temporary_.is_armed() ? ::openat(name_.directory, temporary_.c_str(),
                                               O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
                                    : ::open(path_of(fd_.get()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw_errno(errno, fmt::format("read back '{}'", printable(name_.display)));
  return fd;
}

void NewFile::give(bool replace) {
  // What closing tells must be known before the file has its name; the last close would take it away.
  if (::close(::dup(fd_.get())) != 0)
    throw_errno(errno, fmt::format("close '{}'", printable(name_.display)));
  if (!temporary_.is_armed()) {
    const char* as = replace ? temporary_.c_str() : name_.name.c_str();
    if (!link_file(fd_.get(), name_.directory, as))
      throw_errno(errno, fmt::format("name '{}'", printable(name_.display)));
    if (!replace) return;
    temporary_.arm();  // a link replaces nothing, a rename does
  }
  temporary_.give(name_, replace);
}

}  // namespace reverse
