#include "libcore/backend/ssh/ssh_link.h"

#include <vector>

#include "libcore/backend/sftp/child_link.h"
#include "libcore/base/text.h"

namespace reverse::ssh {

namespace {

std::vector<std::string> words_of(const std::string& command) {
  std::vector<std::string> words;
  for (std::string_view word : split(command, ' '))
    if (!word.empty()) words.emplace_back(word);
  return words;
}

}  // namespace

std::unique_ptr<sftp::Link> open_link(const Target& target, const ConnectOptions& options) {
  std::vector<std::string> base = words_of(options.ssh_command);
  if (base.empty()) base = {"ssh", "-oControlMaster=no", "-oRemoteCommand=none", "-oRequestTTY=no",
                            "-oClearAllForwardings=yes", "-oPermitLocalCommand=no",
                            "-oServerAliveInterval=15", "-oServerAliveCountMax=4", "-a", "-x"};
  if (!options.ask) base.push_back("-oBatchMode=yes");
  if (target.port != 0) base.insert(base.end(), {"-p", std::to_string(target.port)});
  if (!target.user.empty()) base.insert(base.end(), {"-l", target.user});
  std::vector<std::string> sftp = base, run = base;
  sftp.insert(sftp.end(), {"-s", "--", target.host, "sftp"});
  run.insert(run.end(), {"--", target.host});
  return std::make_unique<sftp::ChildLink>(
      sftp, run, options.ask ? sftp::Asking::on_terminal : sftp::Asking::never);
}

}  // namespace reverse::ssh
