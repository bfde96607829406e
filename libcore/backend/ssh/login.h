#pragma once

#include "libcore/backend/ssh/settings.h"

struct ssh_session_struct;

namespace reverse::ssh {

/// Logs in by whatever the server and the configuration allow: keys of the agent, key files, then
/// what the person at the terminal answers. Throws `permission` with what was tried and what to do;
/// `network` where the connection breaks.
void log_in(ssh_session_struct* session, const Settings& settings, const ConnectOptions& options);

}  // namespace reverse::ssh
