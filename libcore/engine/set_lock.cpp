#include "libcore/engine/set_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {

SetLock::SetLock(const std::string& directory, const std::string& repository_id,
                 const std::string& set) {
  std::string running = directory + "/running";
  if (::mkdir(running.c_str(), 0700) != 0 && errno != EEXIST)
    throw_errno(errno, fmt::format("make directory '{}'", printable(running)));
  std::string name = set;
  std::replace(name.begin(), name.end(), '/', ',');
  std::string path = fmt::format("{}/{}-{}", running, repository_id, name);
  fd_ = open_file(path, O_RDWR | O_CREAT, 0600);
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) throw_errno(errno, fmt::format("lock '{}'", printable(path)));
    char holder[32] = {};
    read_full(fd_.get(), holder, sizeof holder - 1, path);
    fail(ErrorKind::busy, "the set '{}' is being backed up already, by process {}", printable(set),
         *holder != '\0' ? holder : "?");
  }
  if (::ftruncate(fd_.get(), 0) != 0) throw_errno(errno, fmt::format("write '{}'", printable(path)));
  write_full(fd_.get(), std::to_string(::getpid()), path);
}

}  // namespace reverse
