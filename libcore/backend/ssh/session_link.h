#pragma once

#include <memory>

#include "libcore/backend/ssh/handles.h"
#include "libcore/backend/ssh/ssh_link.h"

namespace reverse::ssh {

/// A link over a session that is logged in: each stream is a channel of it. A server that says
/// nothing for a quarter of `options.dead_after` is asked for a sign of life, and given up after all of it.
std::unique_ptr<sftp::Link> make_session_link(SessionHandle session,
                                              const ConnectOptions& options);

}  // namespace reverse::ssh
