#pragma once

#include <optional>
#include <string>
#include <vector>

namespace reverse {

/// The names in the files that --files-from (a line each) or --files-from0 (each ended by NUL) gives,
/// "-" being standard input; no empty ones. nullopt if neither was given. Throws `usage` if both were.
std::optional<std::vector<std::string>> names_in_files(const std::optional<std::string>& lines,
                                                       const std::optional<std::string>& zeros,
                                                       int stdin_fd);

}  // namespace reverse
