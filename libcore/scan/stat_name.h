#pragma once

#include <sys/types.h>

#include "libcore/scan/source_entry.h"

namespace reverse {

/// `file_status` for the walk's inner loop: returns 0 or an errno instead of throwing and takes no
/// copy of the name. Automounts are not triggered. EUCLEAN: the file system reports a type that
/// Linux does not have.
int stat_name(int fd, const char* name, FileStatus& status);

/// `openat` with O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK and O_NOCTTY added, and O_NOATIME where the
/// kernel allows it. `owner`: the file's uid as last seen, which spares a refused attempt. -1 with
/// errno set on failure.
int open_quietly(int fd, const char* name, int flags, uid_t owner);

/// True if `a` and `b` are one and the same inode.
inline bool same_inode(const FileStatus& a, const FileStatus& b) {
  return a.device == b.device && a.inode == b.inode;
}

}  // namespace reverse
