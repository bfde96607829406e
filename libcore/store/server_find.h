#pragma once

#include <map>
#include <optional>
#include <vector>

#include "libcore/backend/backend.h"

namespace reverse {

/// Has the server's own `find` list `directories` (those that are there) and what is below, down to
/// `depth` names deep: unlike an SFTP listing it tells when it could not read something. Entries
/// by path below the root. nullopt where the account runs no commands, where `find` is not GNU's,
/// or where commands do not see a file that was just made in the repository: there they may see
/// another one. Throws `corrupt` where `find` failed or was cut short, `network`.
std::optional<std::map<RepoPath, FileStat>> find_on_server(
    Backend& backend, const std::vector<RepoPath>& directories, std::size_t depth);

}  // namespace reverse
