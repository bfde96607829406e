#pragma once

#include <optional>
#include <string_view>

#include "libcore/base/file_type.h"

namespace reverse {

/// The word that stands for a type in entries (schema/FORMAT.md, "Entry"). Frozen.
std::string_view type_name(FileType type);
std::optional<FileType> parse_type_name(std::string_view name);

/// Why `path` cannot be an entry's path: "absolute path", …; nullptr if it can. "" is the root.
const char* path_flaw(std::string_view path);

inline bool is_device(FileType type) {
  return type == FileType::character_device || type == FileType::block_device;
}

}  // namespace reverse
