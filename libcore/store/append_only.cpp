#include "libcore/store/append_only.h"

#include "libcore/backend/directory_modes.h"
#include "libcore/base/error.h"
#include "libcore/store/layout.h"

namespace reverse {

namespace {

constexpr std::uint32_t kGroupAll = 0070, kGroupReads = 0050, kGroupWrites = 0020;
constexpr std::uint32_t kSetGroup = 02000;

std::uint32_t mode_of(Backend& backend, const RepoPath& directory) {
  std::optional<FileStat> found = backend.stat(directory);
  return found ? found->mode : 0;
}

}  // namespace

bool is_append_only(Backend& backend) {
  return (mode_of(backend, "") & kGroupWrites) == 0 &&
         (mode_of(backend, layout::kManifests) & kGroupWrites) != 0;
}

void open_to_group(Backend& backend, const RepoPath& directory) {
  auto* modes = dynamic_cast<DirectoryModes*>(&backend);
  if (modes == nullptr)
    fail(ErrorKind::unsupported, "{} has no modes that could be changed",
         backend.display(directory));
  modes->set_mode(directory, mode_of(backend, directory) | kGroupAll);
}

void prepare_append_only(Backend& backend) {
  if ((mode_of(backend, "") & (kSetGroup | kGroupAll)) != (kSetGroup | kGroupReads))
    fail(ErrorKind::usage,
         "an append-only repository is made in an empty directory of the mode 2750, with the group "
         "of those who may add to it: install -d -m 2750 -g GROUP {}",
         backend.display(""));
  for (const RepoPath* directory :
       {&layout::kTemporaries, &layout::kObjects, &layout::kManifests}) {
    backend.make_directory(*directory);
    open_to_group(backend, *directory);
  }
}

}  // namespace reverse
