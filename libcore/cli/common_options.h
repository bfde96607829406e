#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "libcore/cli/option_set.h"
#include "libcore/cli/tool_io.h"

namespace reverse {

/// Options that mean the same in every tool, with the environment already folded in.
struct CommonOptions {
  bool dry_run = false;
  bool json = false;
  bool quiet = false;
  unsigned verbosity = 0;
  bool print0 = false;
  std::set<std::string> allow;            ///< guards that are waived
  std::optional<std::string> repository;  ///< --repo
  std::string cache_dir;                  ///< absolute; not created
  bool progress = true;
  std::optional<std::chrono::seconds> progress_interval;  ///< unset: the printer's own choice

  unsigned connections = 4;  ///< to a server, at most
  std::chrono::seconds retry_for{30 *
                                 60};  ///< how long a lost connection is tried to be made again
  std::optional<std::uint64_t> upload_rate;  ///< bytes a second, to a server
  std::string ssh_command;             ///< instead of the library; empty: what serves best
  bool remote_commands = true;         ///< commands may be run on a server

  std::optional<std::string> environment_repository;  ///< REVERSE_REPOSITORY
  std::optional<std::string> environment_host;        ///< REVERSE_HOST
};

/// Which of the common options a tool takes beyond those that all take.
struct CommonUse {
  bool dry_run = false;    ///< it writes
  bool print0 = false;     ///< it lists names
  bool guards = false;     ///< a guard may refuse it
  bool progress = false;   ///< it runs long enough to show progress
  bool repository = true;  ///< it works on one repository, which --repo may name
};

/// Declares them under their own heading, those of later versions as reserved.
void declare_common_options(OptionSet& options, CommonOptions& common, const CommonUse& use);

/// Fills what the command line left open from the environment. Throws `usage` for a malformed
/// variable.
void apply_environment(CommonOptions& common, const EnvironmentLookup& environment);

struct VariableDoc {
  std::string_view name;
  std::string_view meaning;
};
/// The variables that `apply_environment` and the libraries below it read.
std::span<const VariableDoc> variable_docs();

}  // namespace reverse
