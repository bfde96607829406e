#include "libcore/scan/file_system.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/text.h"

namespace reverse {

namespace {

constexpr std::string_view kPseudo[] = {
    "proc",     "sysfs",       "devpts",   "cgroup",     "cgroup2", "securityfs", "debugfs",
    "tracefs",  "configfs",    "pstore",   "bpf",        "mqueue",  "hugetlbfs",  "binfmt_misc",
    "autofs",   "efivarfs",    "fusectl",  "selinuxfs",  "smackfs", "apparmorfs", "rpc_pipefs",
    "nfsd",     "nsfs",        "binder",   "functionfs", "resctrl", "xenfs",      "usbfs",
    "usbdevfs", "pipefs",      "sockfs",   "secretmem",  "dax",     "dmabuf",     "openpromfs",
    "spufs",    "ocfs2_dlmfs", "gadgetfs", "ipathfs",
};
constexpr std::string_view kMemory[] = {"tmpfs", "ramfs", "devtmpfs", "rootfs"};
constexpr std::string_view kOverlay[] = {"overlay", "overlayfs", "aufs", "unionfs"};
// Directories that another machine, or a virtual machine's host, holds.
constexpr std::string_view kNetwork[] = {
    "nfs",   "nfs4",     "cifs",   "smb3",   "smbfs",  "9p",   "ceph",
    "afs",   "coda",     "ncpfs",  "lustre", "beegfs", "gpfs", "orangefs",
    "pvfs2", "virtiofs", "vboxsf", "vmhgfs", "prl_fs",
};
// FAT keeps no inode numbers: the kernel invents them anew at each mount, and the time of change is
// the time of modification. sdcardfs passes on what lies below, but under inodes of its own making.
// HFS keeps no time of change. ntfs3 and HFS+ store both and are not listed.
constexpr std::string_view kUnstableDisk[] = {"vfat", "msdos", "exfat", "sdcardfs", "esdfs", "hfs"};

bool lists(const auto& names, std::string_view type) {
  return std::ranges::find(names, type) != std::end(names);
}

/// FUSE drivers may number inodes as they come and answer any time of change; which of them do
/// cannot be told from here, so none is trusted. A server may be replaced behind its name.
bool has_stable_identity(std::string_view type, MountKind kind) {
  return kind != MountKind::network && !type.starts_with("fuse") && !lists(kUnstableDisk, type);
}

/// Type names where the mount table does not help, e.g. in a chroot without /proc.
std::string type_of_magic(std::uint64_t magic) {
  struct Known {
    std::uint64_t magic;
    std::string_view type;
  };
  constexpr Known kKnown[] = {
      {PROC_SUPER_MAGIC, "proc"},
      {SYSFS_MAGIC, "sysfs"},
      {DEVPTS_SUPER_MAGIC, "devpts"},
      {CGROUP_SUPER_MAGIC, "cgroup"},
      {CGROUP2_SUPER_MAGIC, "cgroup2"},
      {AUTOFS_SUPER_MAGIC, "autofs"},
      {DEBUGFS_MAGIC, "debugfs"},
      {TRACEFS_MAGIC, "tracefs"},
      {SECURITYFS_MAGIC, "securityfs"},
      {BPF_FS_MAGIC, "bpf"},
      {TMPFS_MAGIC, "tmpfs"},
      {RAMFS_MAGIC, "ramfs"},
      {OVERLAYFS_SUPER_MAGIC, "overlay"},
      {NFS_SUPER_MAGIC, "nfs"},
      {0xff534d42, "cifs"},
      {0xfe534d42, "smb3"},
      {SMB_SUPER_MAGIC, "smbfs"},
      {V9FS_MAGIC, "9p"},
      {CEPH_SUPER_MAGIC, "ceph"},
      {AFS_SUPER_MAGIC, "afs"},
      {0x65735546, "fuse"},
      {MSDOS_SUPER_MAGIC, "vfat"},
      {0x2011bab0, "exfat"},
      {0x5dca2df5, "sdcardfs"},
      {EXT4_SUPER_MAGIC, "ext4"},
      {BTRFS_SUPER_MAGIC, "btrfs"},
      {XFS_SUPER_MAGIC, "xfs"},
  };
  for (const Known& known : kKnown)
    if (known.magic == magic) return std::string(known.type);
  return fmt::format("0x{:x}", magic);
}

/// The type in that line of the mount table whose field number `field` is `value`; empty if there
/// is none. Source: proc_pid_mountinfo(5).
std::string type_of_mount(std::string_view table, std::size_t field, const std::string& value) {
  for (std::string_view line : split(table, '\n')) {
    std::vector<std::string_view> fields = split(line, ' ');
    auto separator = std::ranges::find(fields, "-");
    if (field < fields.size() && fields[field] == value && fields.end() - separator > 1)
      return std::string(separator[1]);
  }
  return {};
}

std::string type_of(int fd) {
  constexpr std::size_t kMountId = 0, kDevice = 2;  // fields
  const std::string table_path = "/proc/self/mountinfo";
  struct statx found;
  if (::access(table_path.c_str(), R_OK) == 0 &&
      ::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &found) == 0) {
    std::string table = read_file(table_path), type;
    // The mount's number is exact, but Linux tells it only since 5.8; btrfs subvolumes have devices
    // that no mount shows.
    if (found.stx_mask & STATX_MNT_ID)
      type = type_of_mount(table, kMountId, fmt::format("{}", found.stx_mnt_id));
    if (type.empty())
      type = type_of_mount(table, kDevice,
                           fmt::format("{}:{}", found.stx_dev_major, found.stx_dev_minor));
    if (!type.empty()) return type;
  }
  struct statfs by_magic;
  if (::fstatfs(fd, &by_magic) != 0) return "unknown";
  return type_of_magic(static_cast<std::uint32_t>(by_magic.f_type));
}

}  // namespace

MountKind mount_kind_of_type(std::string_view type) {
  if (lists(kPseudo, type)) return MountKind::pseudo;
  if (lists(kMemory, type)) return MountKind::memory;
  if (lists(kOverlay, type)) return MountKind::overlay;
  if (lists(kNetwork, type)) return MountKind::network;
  if (type == "fuse" || type.starts_with("fuse.")) return MountKind::fuse;
  return MountKind::disk;  // fuseblk as well: a disk of this machine, whoever drives it
}

FileSystemInfo file_system_of(int fd) {
  FileSystemInfo info;
  info.type = type_of(fd);
  info.kind = mount_kind_of_type(info.type);
  info.stable_identity = has_stable_identity(info.type, info.kind);
  return info;
}

}  // namespace reverse
