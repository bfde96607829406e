#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "libcore/backend/backend.h"
#include "libcore/backend/sftp/abilities.h"
#include "libcore/backend/sftp/pool.h"

namespace reverse::sftp {

struct SftpOptions {
  Durability durability = Durability::barrier;
  bool run_commands = true;  ///< try commands on the server where they save time
  AbilityMemory memory{};    ///< what earlier runs found out about it
  /// Where files may be made to try what the server does; "" is where uploads are.
  RepoPath scratch;
  /// From this size in bytes on a file goes over several connections at once, where there are.
  std::uint64_t stripe_from = 4 << 20;
};

/// A repository on a server that offers SFTP. `root`: absolute, or relative to the login directory;
/// "" is that directory. Requests are pipelined: bytes of an upload, whole groups in `publish`, and
/// what `expect` announces. A lost connection is made again as the pool allows, and calls go on;
/// but small uploads that were under way fail by `network`; large ones go on, to be read back. Uploads must not outlive the backend.
std::unique_ptr<Backend> open_sftp_backend(std::unique_ptr<Pool> pool, const std::string& root,
                                           const SftpOptions& options = {});

}  // namespace reverse::sftp
