#include "libcore/cli/common_options.h"

#include <pwd.h>
#include <unistd.h>

#include <array>

#include "libcore/base/error.h"
#include "libcore/cli/location.h"
#include "libcore/cli/values.h"

namespace reverse {
namespace {

constexpr std::uint64_t kMostConnections = 32;

constexpr std::array kVariables{
    VariableDoc{"REVERSE_REPOSITORY", "REPO where the operands are too few to hold it"},
    VariableDoc{"REVERSE_CACHE_DIR",
                "where the catalog is; else $XDG_CACHE_HOME/reverse, ~/.cache/reverse"},
    VariableDoc{"REVERSE_HOST",
                "this machine's name in sets; else its host name up to the first dot"},
    VariableDoc{"REVERSE_PROGRESS_INTERVAL", "as --progress-interval"},
    VariableDoc{"NO_COLOR", "no colours are used anyway"},
    VariableDoc{"TMPDIR", "where temporary files go; else /tmp"},
};

/// A directory variable that the XDG rules say to ignore unless it is absolute.
std::optional<std::string> absolute_variable(const EnvironmentLookup& environment,
                                             const std::string& name) {
  std::optional<std::string> value = environment(name);
  if (value && !value->starts_with('/')) return std::nullopt;
  return value;
}

std::string home_directory(const EnvironmentLookup& environment) {
  if (auto home = absolute_variable(environment, "HOME")) return *home;
  const ::passwd* entry = ::getpwuid(::getuid());
  if (entry == nullptr || entry->pw_dir == nullptr || *entry->pw_dir != '/')
    fail(ErrorKind::usage, "HOME is not set and this user has no home directory: use --cache-dir");
  return entry->pw_dir;
}

std::string default_cache_dir(const EnvironmentLookup& environment) {
  if (auto cache = absolute_variable(environment, "XDG_CACHE_HOME")) return *cache + "/reverse";
  return home_directory(environment) + "/.cache/reverse";
}

/// Runs `use` on the variable's value, if it is set; what it throws names the variable.
template <typename Use>
void with_variable(const EnvironmentLookup& environment, const std::string& name, Use use) {
  if (const std::optional<std::string> value = environment(name))
    with_context(name, [&] { use(*value); });
}

void refuse_empty(const std::string& value) {
  if (value.empty()) fail(ErrorKind::usage, "set, but empty");
}

/// For repositories on other hosts.
void declare_remote(OptionSet& options, CommonOptions& common) {
  options.value({"connections"}, "N", "connections to a server, at most (4)",
                [&common](const std::string& text) {
                  const std::uint64_t count = count_value(text);
                  if (count < 1 || count > kMostConnections)
                    fail(ErrorKind::usage, "'{}': between 1 and {} connections are possible", text,
                         kMostConnections);
                  common.connections = static_cast<unsigned>(count);
                });
  options.value({"retry-for"}, "D", "how long a lost connection is tried to be made again (30min)",
                [&common](const std::string& text) { common.retry_for = duration_value(text); });
  options.value({"limit-upload"}, "RATE",
                "send no more than that to a server: KiB/s, or 4M",
                [&common](const std::string& text) { common.upload_rate = rate_value(text); });
  options.value({"ssh-command"}, "CMD",
                "the program that connects, with its options: 'ssh -F FILE'", common.ssh_command);
  options.flag({"no-remote-exec"}, "run no commands on a server, SFTP only",
               [&common] { common.remote_commands = false; });
}

void declare_reserved(OptionSet& options) {
  options.reserved({"config"}, "FILE");
  options.reserved({"print-config"});
  options.reserved({"limit-download"}, "RATE");
}

}  // namespace

void declare_common_options(OptionSet& options, CommonOptions& common, const CommonUse& use) {
  options.heading("Options that every tool has");
  if (use.repository)
    options.value({"repo", 'r'}, "REPO", "the repository; no operand is one then",
                  common.repository);
  if (use.dry_run)
    options.flag({"dry-run", 'n', Shown::first}, "say what would be done, and do nothing",
                 common.dry_run);
  if (use.guards)
    options.value({"allow"}, "GUARD,...", "go on although a guard refuses; the refusal names it",
                  [&common](const std::string& text) { common.allow.merge(guards_value(text)); });
  options.flag({"quiet", 'q', Shown::first}, "no summary, no progress", common.quiet);
  options.count({"verbose", 'v', Shown::first}, "say more (repeatable)", common.verbosity);
  options.flag({"json"}, "one JSON object a line", common.json);
  if (use.print0)
    options.flag({"print0", '0'}, "names raw and ended by NUL instead of escaped lines",
                 common.print0);
  if (use.progress) {
    options.flag({"no-progress"}, "no progress", [&common] { common.progress = false; });
    options.value({"progress-interval"}, "D", "time between two lines of progress (5min)",
                  [&common](const std::string& text) {
                    common.progress_interval = progress_interval_value(text);
                  });
  }
  options.value({"cache-dir"}, "DIR", "where the catalog is kept",
                [&common](const std::string& text) { common.cache_dir = absolute_path(text); });
  declare_remote(options, common);
  declare_reserved(options);
}

void apply_environment(CommonOptions& common, const EnvironmentLookup& environment) {
  with_variable(environment, "REVERSE_CONFIG", [](const std::string&) {
    fail(ErrorKind::usage, "configuration files are not in this version");
  });
  with_variable(environment, "REVERSE_REPOSITORY", [&](const std::string& value) {
    refuse_empty(value);
    common.environment_repository = value;
  });
  with_variable(environment, "REVERSE_HOST",
                [&](const std::string& value) { common.environment_host = host_value(value); });
  with_variable(environment, "REVERSE_PROGRESS_INTERVAL", [&](const std::string& value) {
    const std::chrono::seconds interval = progress_interval_value(value);
    if (!common.progress_interval) common.progress_interval = interval;
  });
  with_variable(environment, "REVERSE_CACHE_DIR", [&](const std::string& value) {
    refuse_empty(value);
    if (common.cache_dir.empty()) common.cache_dir = absolute_path(value);
  });
  if (common.cache_dir.empty()) common.cache_dir = default_cache_dir(environment);
}

std::span<const VariableDoc> variable_docs() {
  return kVariables;
}

}  // namespace reverse
