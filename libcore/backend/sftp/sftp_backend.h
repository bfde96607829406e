#pragma once

#include <memory>
#include <string>

#include "libcore/backend/backend.h"
#include "libcore/backend/sftp/client.h"

namespace reverse::sftp {

/// A repository on a server that offers SFTP. `root`: absolute, or relative to the login directory;
/// "" is that directory. `host` is for messages. Requests are pipelined: bytes of an upload, and
/// whole groups in `publish`. A server that neither fails on a taken name in RENAME nor offers hard
/// links cannot keep `publish`'s promise: `traits().hard_links`.
std::unique_ptr<Backend> open_sftp_backend(std::shared_ptr<Client> client, const std::string& host,
                                           const std::string& root,
                                           Durability durability = Durability::barrier);

}  // namespace reverse::sftp
