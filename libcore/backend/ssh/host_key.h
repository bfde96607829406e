#pragma once

#include "libcore/backend/ssh/known_hosts.h"
#include "libcore/backend/ssh/settings.h"

struct ssh_session_struct;

namespace reverse::ssh {

/// Returns if the server that the session is connected to has shown a key that is known, or that
/// the person at the terminal accepts, or that the configuration accepts unseen; a new key is kept.
/// Throws `permission` otherwise: "…" with what to do.
void check_host_key(ssh_session_struct* session, const Settings& settings, const KnownHosts& known,
                    const ConnectOptions& options);

}  // namespace reverse::ssh
