#pragma once

#include <string>
#include <string_view>

namespace reverse {

/// Kinds of file systems that a walk leaves as empty directories unless told to cross.
enum class MountKind {
  disk,     ///< always crossed (unless one file system was asked for)
  pseudo,   ///< proc, sysfs, devpts, cgroup, …: never crossed
  memory,   ///< tmpfs, ramfs, devtmpfs: `--cross tmpfs`
  overlay,  ///< overlay: never
  network,  ///< nfs, cifs, …: `--cross net`, left out with a warning
  fuse,     ///< `--cross fuse`, left out with a warning
};

/// The kind behind a type's name, as /proc/self/mountinfo has it.
MountKind mount_kind_of_type(std::string_view type);

/// What is known of the file system that holds a file.
struct FileSystemInfo {
  std::string type;  ///< as /proc/self/mountinfo has it: "ext4", "fuse.sshfs"
  MountKind kind = MountKind::disk;
  /// False for FUSE, FAT, network file systems and sdcardfs: inodes and ctimes may change or lie,
  /// so files are compared by size and mtime only.
  bool stable_identity = true;
};
/// Type "unknown" (a disk) where the kernel does not tell. O_PATH descriptors will do. Thread-safe.
FileSystemInfo file_system_of(int fd);

}  // namespace reverse
