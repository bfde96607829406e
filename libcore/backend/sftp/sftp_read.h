#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/backend/sftp/server.h"

namespace reverse::sftp {

/// Sends a file's bytes to `sink`; returns their number. A lost connection is made again, and
/// reading goes on where it stopped. A file of `stripe_from` bytes or more comes over several
/// connections at once. Throws `not_found`, `io` (no regular file, or it has changed).
std::uint64_t read_file(const Server& server, const std::string& full, std::uint64_t stripe_from,
                        ByteSink& sink);

/// All names in a directory but "." and "..", in the server's order. Throws `not_found`.
std::vector<NameEntry> list_directory(const Server& server, const std::string& full);

}  // namespace reverse::sftp
