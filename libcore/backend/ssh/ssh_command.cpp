#include "libcore/backend/ssh/ssh_command.h"

#include <algorithm>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse::ssh {

namespace {

using Words = std::vector<std::string>;

constexpr int kProbes = 4;  // unanswered ones that make a server dead

void append(Words& words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
}

Words target_words(const Target& target) {
  Words words;
  if (target.port != 0) append(words, {"-p", std::to_string(target.port)});
  if (!target.user.empty()) append(words, {"-l", target.user});
  return words;
}

/// What keeps the user's configuration from doing more than to connect, and finds dead servers.
Words quiet_words(const ConnectOptions& options) {
  const auto dead_after = std::chrono::duration_cast<std::chrono::seconds>(options.dead_after);
  const auto interval = std::max<long>(1, static_cast<long>(dead_after.count()) / kProbes);
  Words words = {"-a",
                 "-x",
                 "-oControlMaster=no",
                 "-oClearAllForwardings=yes",
                 "-oPermitLocalCommand=no",
                 "-oRemoteCommand=none",
                 "-oRequestTTY=no",
                 fmt::format("-oServerAliveInterval={}", interval),
                 fmt::format("-oServerAliveCountMax={}", kProbes)};
  if (!options.ask) words.emplace_back("-oBatchMode=yes");
  if (options.compress) words.emplace_back("-oCompression=yes");
  return words;
}

Words command_words(const std::string& command) {
  Words words;
  for (const std::string_view word : split(command, ' '))
    if (!word.empty()) words.emplace_back(word);
  if (words.empty()) fail(ErrorKind::usage, "the command to connect by is empty");
  return words;
}

}  // namespace

std::vector<std::string> ssh_argv(const Target& target, const ConnectOptions& options,
                                  const std::vector<std::string>& words) {
  Words argv = {"ssh"};
  if (!options.config_file.empty()) append(argv, {"-F", options.config_file});
  append(argv, words);
  append(argv, target_words(target));
  argv.emplace_back("--");
  return argv;
}

std::unique_ptr<sftp::Link> open_child_link(const Target& target, const ConnectOptions& options) {
  Words run;
  std::optional<std::chrono::milliseconds> patience;  // OpenSSH's client is told to look itself
  if (options.ssh_command.empty()) {
    run = ssh_argv(target, options, quiet_words(options));
  } else {
    run = command_words(options.ssh_command);
    append(run, target_words(target));
    run.emplace_back("--");
    patience = options.dead_after;
  }
  Words sftp = run;
  sftp.insert(sftp.end() - 1, "-s");
  append(sftp, {target.host, "sftp"});
  run.push_back(target.host);
  const auto asking = options.ask ? sftp::Asking::on_terminal : sftp::Asking::never;
  return std::make_unique<sftp::ChildLink>(std::move(sftp), std::move(run), asking, patience);
}

}  // namespace reverse::ssh
