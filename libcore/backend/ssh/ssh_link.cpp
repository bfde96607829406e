#include "libcore/backend/ssh/ssh_link.h"

#include "libcore/backend/ssh/session.h"
#include "libcore/backend/ssh/session_link.h"
#include "libcore/backend/ssh/settings.h"
#include "libcore/backend/ssh/ssh_command.h"
#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse::ssh {

std::unique_ptr<sftp::Link> open_link(const Target& target, const ConnectOptions& options) {
  for (const std::string* word : {&target.host, &target.user})
    if (word->starts_with('-'))
      fail(ErrorKind::usage, "'{}' is no name of a host or user", printable(*word));
  if (!options.ssh_command.empty()) return open_child_link(target, options);
  const Settings settings = settings_for(target, options);
  if (!settings.only_by_ssh.empty()) return open_child_link(target, options);
  return make_session_link(open_session(settings, options), options);
}

}  // namespace reverse::ssh
