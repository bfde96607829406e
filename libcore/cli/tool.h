#pragma once

#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/cli/common_options.h"
#include "libcore/cli/exit_code.h"
#include "libcore/cli/option_set.h"
#include "libcore/cli/output.h"
#include "libcore/cli/tool_io.h"

namespace reverse {

/// What a command gets to work with.
struct Invocation {
  const CommonOptions& common;
  std::vector<std::string> operands;
  std::set<std::string> given;  ///< long names of the options on the command line
  ToolIo& io;
  Output& output;
};

/// One tool, or one verb of a tool, for one run: options, then work.
class Command {
 public:
  virtual ~Command() = default;
  /// Declares the command's own options with targets inside this object.
  virtual void declare_options(OptionSet& options) = 0;
  /// Checks options and operands (`usage`) and does the work.
  virtual ExitCode execute(Invocation& call) = 0;
};

struct Example {
  std::string command;
  std::string says;  ///< what it does, in a few words
};

/// What is constant about a tool.
struct ToolSpec {
  std::string name;                   ///< "reverse-backup", "reverse-snapshot list"
  std::vector<std::string> synopsis;  ///< without the name: "[OPTIONS] SOURCE... REPO"
  std::string summary;                ///< one sentence
  std::vector<Example> examples;      ///< two: both stand in `-h`
  CommonUse common;
  std::function<std::unique_ptr<Command>()> make;
  std::string details = {};  ///< paragraphs for `--help` between options and exit codes
};

/// A whole tool as `main` calls it; returns the exit code.
using ToolEntry = std::function<int(std::span<const std::string> args, ToolIo& io)>;

/// Code that `tool_main` returns for a run that was told to stop. The process dies by the signal
/// instead (`run_main`).
inline constexpr int kStoppedCode = 130;

/// Runs a tool: options, help, version, command, and the one place where exceptions become messages
/// and codes. A usage error prints one line and the synopsis. Never throws.
int tool_main(const ToolSpec& spec, std::span<const std::string> args, ToolIo& io);

/// The options of a tool, its own first: what a test compares with its manual.
std::vector<OptionDoc> tool_options(const ToolSpec& spec);

/// A word that selects what the rest of the line is for.
struct Verb {
  std::string name;
  std::string summary;
  ToolEntry run;  ///< null: of a later version, refused
};

/// A tool whose first operand is a verb.
struct ToolGroup {
  std::string name;
  std::string summary;
  std::vector<std::string> synopsis;
  std::vector<Verb> verbs;
  ToolEntry otherwise =
      nullptr;  ///< for a first word that is an option, a location or an existing file
};

/// Runs the verb that `args` begin with; also answers -h, --help and --version. Never throws.
int group_main(const ToolGroup& group, std::span<const std::string> args, ToolIo& io);

/// Where REPO stands among the operands.
enum class RepositoryPlace { first, last };
/// Takes REPO's text from --repo, the operands or REVERSE_REPOSITORY. `fewest`: how many other
/// operands the call needs at least; only with exactly those does the variable stand in. Throws
/// `usage`.
std::string take_repository(Invocation& call, RepositoryPlace place, std::size_t fewest);

/// "0.1.0"
std::string_view version();

}  // namespace reverse
