#pragma once

#include "libcore/backend/ssh/handles.h"
#include "libcore/backend/ssh/settings.h"

namespace reverse::ssh {

/// A session by libssh with a server whose host key was checked, logged in. Waits; asks the person
/// at the terminal as needed. Throws as `open_link`.
SessionHandle open_session(const Settings& settings, const ConnectOptions& options);

}  // namespace reverse::ssh
