#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libcore/backend/sftp/child_link.h"
#include "libcore/backend/ssh/ssh_link.h"

namespace reverse::ssh {

/// `ssh FLAGS… WORDS… --`, to be followed by the host: the words that say where to, and which
/// configuration holds.
std::vector<std::string> ssh_argv(const Target& target, const ConnectOptions& options,
                                  const std::vector<std::string>& words);

/// A link by OpenSSH's client, or by `options.ssh_command`: a child for each stream, which heeds
/// the user's whole configuration. Throws `usage` where the command is empty.
std::unique_ptr<sftp::Link> open_child_link(const Target& target, const ConnectOptions& options);

}  // namespace reverse::ssh
