#include "libcore/engine/verify_protection.h"

#include "libcore/store/append_only.h"
#include "libcore/store/layout.h"

namespace reverse {

namespace {

constexpr std::uint32_t kWriteOrRun = 0333;  // no object has these permissions
constexpr std::uint32_t kOthersWrite = 0022;
constexpr std::uint32_t kSuperuser = 0;

}  // namespace

Protection::Protection(Backend& backend) {
  // This file is made with the same permissions as objects: where it can be written to, the file
  // system knows no such thing.
  if (std::optional<FileStat> stat = backend.stat(layout::kRepositoryFile))
    keeps_modes_ = (stat->mode & kWriteOrRun) == 0;
  std::optional<FileStat> root = backend.stat("");
  if (keeps_modes_ && root && (root->mode & kOthersWrite) == 0 && !is_append_only(backend))
    owner_ = root->owner;
}

bool Protection::is_broken(const FileStat& object) const {
  if (keeps_modes_ && (object.mode & kWriteOrRun) != 0) return true;
  return owner_ && object.owner && object.owner != owner_ && object.owner != kSuperuser;
}

}  // namespace reverse
