#include "libcore/cli/tool.h"

#include <sys/stat.h>

#include <algorithm>

#include <fmt/format.h>

#include "libcore/base/text.h"
#include "libcore/cli/help.h"

namespace reverse {
namespace {

/// The options that a tool answers by itself.
struct Questions {
  bool short_help = false;
  bool full_help = false;
  bool version = false;

  bool any() const { return short_help || full_help || version; }
};

void declare_questions(OptionSet& options, Questions& asked) {
  const auto ask = [&asked](bool& question) {
    return [&asked, &question] { question = !asked.any(); };  // the first one is answered
  };
  options.flag({"version"}, "print the version", ask(asked.version));
  // A name of its own for the letter: -h is short, --help is long.
  options.flag({"", 'h', Shown::first}, "this screen; --help tells everything",
               ask(asked.short_help));
  options.flag({"help"}, "everything: all options, exit codes, environment", ask(asked.full_help));
}

/// A command with its options declared. Stays where it is: the options point into it.
struct Prepared {
  explicit Prepared(const ToolSpec& spec) : command(spec.make()) {
    command->declare_options(options);
    declare_common_options(options, common, spec.common);
    declare_questions(options, asked);
  }
  Prepared(const Prepared&) = delete;

  std::unique_ptr<Command> command;
  CommonOptions common;
  Questions asked;
  OptionSet options;
};

void answer(const ToolSpec& spec, const Prepared& tool, ToolIo& io) {
  if (tool.asked.version)
    io.out.write(fmt::format("{} {}\n", spec.name, version()));
  else if (tool.asked.full_help)
    io.out.write(full_help(spec, tool.options.options()));
  else
    io.out.write(short_help(spec, tool.options.options()));
  io.out.flush();
}

/// Reads the command line. A question asked before a mistake is still answered.
OptionSet::Parsed parse(const Prepared& tool, std::span<const std::string> args) {
  try {
    return tool.options.parse(args);
  } catch (const Error&) {
    if (tool.asked.any()) return {};
    throw;
  }
}

int run(const ToolSpec& spec, Prepared& tool, std::span<const std::string> args, ToolIo& io) {
  OptionSet::Parsed parsed = parse(tool, args);
  if (tool.asked.any()) {
    answer(spec, tool, io);
    return int(ExitCode::ok);
  }
  apply_environment(tool.common, io.environment);
  Output output(io, tool.common, spec.name);
  Invocation call{tool.common, std::move(parsed.operands), std::move(parsed.given), io, output};
  const ExitCode code = tool.command->execute(call);
  io.out.flush();
  return int(code);
}

/// Whether errors are to be objects, told even where the command line cannot be read to its end.
bool wants_json(std::span<const std::string> args) {
  return std::find(args.begin(), std::find(args.begin(), args.end(), "--"), "--json") !=
         std::find(args.begin(), args.end(), "--");
}

/// Tells why a run ended; with `usage`, how it should have been called.
void tell(const std::string& name, std::span<const std::string> args, ToolIo& io, int code,
          const std::string& message, const std::string& usage) noexcept {
  try {
    CommonOptions options;
    options.json = wants_json(args);
    Output output(io, options, name);
    output.exit_error(code, message);
    if (options.json && code != kStoppedCode) {
      output.result(JsonLine("summary").add("exit_code", code));
      io.out.flush();
    }
    if (!options.json && code == int(ExitCode::usage)) output.note(usage);
  } catch (const std::exception&) {
    // Neither stream takes text any more; the code says what can still be said.
  }
}

/// Runs `body` and turns what it throws into a message and a code.
template <typename Body>
int guarded(const std::string& name, const std::vector<std::string>& synopsis,
            std::span<const std::string> args, ToolIo& io, Body body) {
  int code = int(ExitCode::failed);
  std::string message;
  try {
    return body();
  } catch (const Cancelled&) {
    if (io.out.reader_gone() || io.err.reader_gone()) return kStoppedCode;
    code = kStoppedCode;
    message = "stopped";
  } catch (const Error& error) {
    code = int(exit_code_for(error.kind()));
    message = error.what();
  } catch (const std::bad_alloc&) {
    message = "out of memory";
  } catch (const std::exception& error) {
    message = fmt::format("internal error: {}", error.what());
  }
  std::string usage = synopsis_text(name, synopsis);
  if (!usage.empty()) usage.pop_back();  // the newline that a note adds
  tell(name, args, io, code, message, usage);
  return code;
}

bool exists(const std::string& path) {
  struct ::stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

/// Whether a group's first word, which is no verb, starts a call of what the group does without
/// one.
bool starts_plain_call(const std::string& word) {
  return word.starts_with('-') || word.find_first_of("/:") != std::string::npos || word == "." ||
         word == ".." || exists(word);
}

int run_group(const ToolGroup& group, std::span<const std::string> args, ToolIo& io) {
  if (args.empty()) fail(ErrorKind::usage, "a word is missing that says what to do");
  const std::string& word = args.front();
  if (word == "-h" || word == "--help" || word == "--version") {
    io.out.write(word == "--version" ? fmt::format("{} {}\n", group.name, version())
                                     : group_help(group));
    io.out.flush();
    return int(ExitCode::ok);
  }
  const auto verb = std::find_if(group.verbs.begin(), group.verbs.end(),
                                 [&](const Verb& known) { return known.name == word; });
  if (verb != group.verbs.end()) {
    if (!verb->run) fail(ErrorKind::usage, "'{}' is not in this version", word);
    return verb->run(args.subspan(1), io);
  }
  if (group.otherwise && starts_plain_call(word)) return group.otherwise(args, io);
  const std::string shown = printable(word);
  if (word.starts_with('-')) fail(ErrorKind::usage, "'{}' stands before a verb", shown);
  if (group.otherwise)
    fail(ErrorKind::usage, "unknown word '{}'; a path is written './{}', a host '{}:'", shown,
         shown, shown);
  fail(ErrorKind::usage, "unknown word '{}'", shown);
}

}  // namespace

int tool_main(const ToolSpec& spec, std::span<const std::string> args, ToolIo& io) {
  return guarded(spec.name, spec.synopsis, args, io, [&] {
    Prepared tool(spec);
    return run(spec, tool, args, io);
  });
}

int group_main(const ToolGroup& group, std::span<const std::string> args, ToolIo& io) {
  return guarded(group.name, group.synopsis, args, io, [&] { return run_group(group, args, io); });
}

std::vector<OptionDoc> tool_options(const ToolSpec& spec) {
  return Prepared(spec).options.options();
}

std::string take_repository(Invocation& call, RepositoryPlace place, std::size_t fewest) {
  std::vector<std::string>& operands = call.operands;
  const bool named = call.common.repository.has_value();
  const bool from_environment =
      !named && operands.size() == fewest && call.common.environment_repository.has_value();
  const std::size_t needed = fewest + (named || from_environment ? 0 : 1);
  if (operands.size() < needed) {
    if (operands.size() == fewest)
      fail(ErrorKind::usage, "the repository is missing: an operand, --repo or REVERSE_REPOSITORY");
    fail(ErrorKind::usage, "operands are missing");
  }
  if (named) return *call.common.repository;
  if (from_environment) return *call.common.environment_repository;
  const auto at = place == RepositoryPlace::first ? operands.begin() : operands.end() - 1;
  std::string repository = std::move(*at);
  operands.erase(at);
  return repository;
}

std::string_view version() {
  return REVERSE_VERSION;
}

}  // namespace reverse
