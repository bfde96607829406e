#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reverse {

/// What a name in a tree is. Names on disk: schema/FORMAT.md, "Entry"; frozen.
enum class FileType : std::uint8_t {
  file,
  directory,
  symlink,
  fifo,
  socket,
  character_device,
  block_device,
  repository,  ///< a nested repository, held as one entry
};

/// The type behind the S_IFMT bits of `st_mode`. Throws `unsupported` for others.
FileType file_type_of_mode(std::uint32_t st_mode);
/// The S_IFMT bits for `type` (a repository is a directory).
std::uint32_t mode_of_file_type(FileType type);

/// One extended attribute: full name ("user.comment"), raw value. POSIX ACLs are attributes too.
struct Xattr {
  std::string name;
  std::string value;
  bool operator==(const Xattr&) const = default;
};
/// Sorted by name.
using Xattrs = std::vector<Xattr>;

}  // namespace reverse
