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

/// Files without a name get theirs by way of /proc.
bool has_descriptor_paths() {
  static const bool has = ::access("/proc/self/fd", X_OK) == 0;
  return has;
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

NewFile::NewFile(const NewName& name) : name_(name), temporary_(name.directory) {
  if (has_descriptor_paths())
    fd_ = UniqueFd(::openat(name.directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd_) return;
  constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  fd_ = UniqueFd(::openat(name.directory, temporary_.c_str(), kFlags, 0600));
  if (!fd_) throw_errno(errno, fmt::format("create '{}'", printable(name.display)));
  temporary_.arm();
}

std::string NewFile::path() const { return fmt::format("/proc/self/fd/{}", fd_.get()); }

UniqueFd NewFile::open_again() const {
  UniqueFd fd(temporary_.is_armed() ? ::openat(name_.directory, temporary_.c_str(),
                                               O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
                                    : ::open(path().c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw_errno(errno, fmt::format("read back '{}'", printable(name_.display)));
  return fd;
}

void NewFile::give(bool replace) {
  // What closing tells must be known before the file has its name; the last close would take it away.
  if (::close(::dup(fd_.get())) != 0)
    throw_errno(errno, fmt::format("close '{}'", printable(name_.display)));
  if (!temporary_.is_armed()) {
    const char* as = replace ? temporary_.c_str() : name_.name.c_str();
    if (::linkat(AT_FDCWD, path().c_str(), name_.directory, as, AT_SYMLINK_FOLLOW) != 0)
      throw_errno(errno, fmt::format("name '{}'", printable(name_.display)));
    if (!replace) return;
    temporary_.arm();  // a link replaces nothing, a rename does
  }
  temporary_.give(name_, replace);
}

}  // namespace reverse
