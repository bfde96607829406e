#include "tools/reverse-verify/command.h"

#include <chrono>

#include "libcore/base/fd.h"
#include "libcore/base/read_all.h"
#include "libcore/base/text.h"
#include "libcore/cli/cli_observer.h"
#include "libcore/cli/progress.h"
#include "libcore/cli/repository_access.h"
#include "libcore/cli/values.h"
#include "libcore/engine/sums_service.h"
#include "libcore/engine/verify.h"
#include "libcore/engine/verify_remote.h"
#include "tools/reverse-verify/against.h"
#include "tools/reverse-verify/repair.h"
#include "tools/reverse-verify/report.h"

namespace reverse {

namespace {

constexpr const char* kQuickProves =
    "listed only: every object is there and has its size; contents were not read";

ProveWhere where_value(const std::string& text) {
  if (text == "auto") return ProveWhere::automatic;
  if (text == "server") return ProveWhere::server;
  if (text == "client") return ProveWhere::client;
  fail(ErrorKind::usage, "'{}' is none of auto, server, client", printable(text));
}

class VerifyCommand : public Command {
 public:
  void declare_options(OptionSet& options) override;
  ExitCode execute(Invocation& call) override;

 private:
  void take_subset(const std::string& text);
  void read_accepted_losses(const std::string& file);
  void serve_sums(Invocation& call) const;
  void find_revisions(const Repository& repository, Invocation& call);
  ExitCode compare(const Repository& repository, Invocation& call);
  std::optional<ExitCode> run(const std::string& location, Traffic expected, Invocation& call);
  ExitCode verify(const Repository& repository, ObjectProver& prover, Invocation& call);
  void repair(const Repository& repository, const VerifyReport& report, VerifyManner& manner,
              Invocation& call);
  ExitCode code_for(const VerifyReport& report) const;

  VerifyOptions verify_;
  FilterOptions filter_;
  RepairPlan repairs_;
  std::optional<std::string> against_;
  ProveWhere where_ = ProveWhere::automatic;
  std::optional<DigestKind> sums_;  ///< to be served to another machine
};

void VerifyCommand::declare_options(OptionSet& options) {
  options.heading("How much");
  options.flag({"quick", 0, Shown::first}, "presence and sizes only: contents are not read",
               verify_.quick);
  options.value({"max-duration", 0, Shown::first}, "D",
                "stop after D; what was verified longest ago comes first, so that the next run "
                "goes on",
                [this](const std::string& text) { verify_.max_duration = duration_value(text); });
  options.value({"subset"}, "N/T", "one object of every T, others for each N from 1 to T",
                [this](const std::string& text) { take_subset(text); });
  filter_.declare(options);
  options.heading("Where");
  options.value({"where", 0, Shown::first}, "WHERE",
                "who reads the objects: auto (the server if it can, the default), server, client",
                [this](const std::string& text) { where_ = where_value(text); });
  options.value({"sums"}, "KIND",
                "what a verification on another machine starts here: hashes (md5, sha256) the "
                "files that standard input names",
                [this](const std::string& text) {
                  sums_ = parse_digest_kind(text);
                  if (!sums_)
                    fail(ErrorKind::usage, "'{}' is neither md5 nor sha256", printable(text));
                });
  repairs_.declare(options);
  options.value({"accept-loss"}, "FILE",
                "objects that nobody has any more, one a line: named, but no reason for exit 4",
                [this](const std::string& file) { read_accepted_losses(file); });
  options.heading("The source");
  options.value({"against"}, "DIR", "compare a live tree with REV by content: has it rotted?",
                against_);
}

void VerifyCommand::take_subset(const std::string& text) {
  std::size_t slash = text.find('/');
  std::optional<std::uint64_t> part = parse_uint(text.substr(0, slash));
  std::optional<std::uint64_t> parts =
      slash == std::string::npos ? std::nullopt : parse_uint(text.substr(slash + 1));
  if (!part || !parts || *part == 0 || *part > *parts)
    fail(ErrorKind::usage, "'{}' is no part of a whole: 1/7 to 7/7 are", printable(text));
  verify_.part = *part;
  verify_.parts = *parts;
}

/// The first word of each line is an object's name; what follows it is the user's.
void VerifyCommand::read_accepted_losses(const std::string& file) {
  const std::string text = read_file(file);
  for (std::string_view line : split(text, '\n')) {
    std::string_view name = line.substr(0, line.find_first_of(" \t\r"));
    if (name.empty() || name.starts_with('#')) continue;
    if (!parse_object_name(name))
      fail(ErrorKind::usage, "'{}' in '{}' is no object's name", printable(name), printable(file));
    verify_.accepted_losses.emplace(name);
  }
}

void VerifyCommand::find_revisions(const Repository& repository, Invocation& call) {
  for (const std::string& words : call.operands) {
    RevisionPath found = resolve(repository, words, filter_.filter, call.common);
    if (found.path) fail(ErrorKind::usage, "'{}': a whole revision is verified", printable(words));
    verify_.revisions.push_back(found.head.revision());
  }
  const RevisionFilter& only = filter_.filter;
  const bool is_filtered = !(only.sets.empty() && only.hosts.empty() && only.tags.empty());
  if (!call.operands.empty() || !is_filtered) return;
  visit_heads(
      repository, only, [this](const Head& head) { verify_.revisions.push_back(head.revision()); },
      [this](const std::string& name, const Error&) { verify_.revisions.push_back(name); });
  if (verify_.revisions.empty())
    fail(ErrorKind::not_found, "no revision matches --set, --host and --tag");
}

ExitCode VerifyCommand::compare(const Repository& repository, Invocation& call) {
  for (const char* other : {"quick", "max-duration", "subset", "heal-from", "quarantine",
                            "accept-loss", "where"})
    if (call.given.count(other) > 0)
      fail(ErrorKind::usage, "--{} is about objects, and --against reads the files of a tree", other);
  if (call.operands.size() != 1)
    fail(ErrorKind::usage, "--against compares a tree with one REV or REV:PATH");
  RevisionPath found = resolve(repository, call.operands[0], filter_.filter, call.common);
  return verify_against(repository, found, *against_, call);
}

/// Everything is read before anything is said: so nobody waits for the other one.
void VerifyCommand::serve_sums(Invocation& call) const {
  if (!call.operands.empty()) fail(ErrorKind::usage, "--sums takes names on standard input only");
  const std::string question = read_all(call.io.in_fd, "standard input");
  answer_sums(
      question, *sums_,
      [&](std::string_view line) {
        call.io.out.write(std::string(line) + "\n");
        call.io.out.flush();
      },
      call.io.stop);
}

ExitCode VerifyCommand::execute(Invocation& call) {
  if (sums_) {
    serve_sums(call);
    return ExitCode::ok;
  }
  const std::string location = take_repository(call, RepositoryPlace::first, against_ ? 1 : 0);
  if (against_ || verify_.quick) where_ = ProveWhere::client;
  const bool is_remote = parse_location(location).is_remote();
  const bool sends_sums = is_remote && where_ != ProveWhere::client &&
                          call.common.remote_commands && !repairs_.is_wanted();
  if (sends_sums)
    if (std::optional<ExitCode> code = run(location, Traffic::text, call)) return *code;
  return *run(location, Traffic::contents, call);
}

/// nullopt, with nothing done, if what would cross the link is not `expected`: then compressing it
/// costs more than it saves.
std::optional<ExitCode> VerifyCommand::run(const std::string& location, Traffic expected,
                                           Invocation& call) {
  std::unique_ptr<Backend> backend =
      open_backend(parse_location(location), call, Durability::barrier, expected);
  const Repository repository = Repository::open(*backend, repairs_.is_wanted());
  if (against_) return compare(repository, call);
  std::unique_ptr<ObjectProver> prover = make_prover(
      repository, where_, [&](const std::string& text) { call.output.warning(text); },
      call.io.stop);
  if (expected == Traffic::text && prover->where() == "client") {
    where_ = ProveWhere::client;
    return std::nullopt;
  }
  repairs_.open_sources(repository, location, call);
  find_revisions(repository, call);
  return verify(repository, *prover, call);
}

ExitCode VerifyCommand::verify(const Repository& repository, ObjectProver& prover,
                               Invocation& call) {
  auto started = std::chrono::steady_clock::now();
  const auto warn = [&](const std::string& message) { call.output.warning(message); };
  std::unique_ptr<VerifiedSet> memory;
  if (!verify_.quick) memory = VerifiedSet::open(call.common.cache_dir, repository.info().id, warn);
  CliObserver observer(call.output, false);
  VerifyReport report;
  {
    ProgressPrinter progress(call.io, call.output, call.common,
                             [&] { return observer.snapshot("verify", "verified"); });
    report = run_verify({repository, prover, memory.get(), observer, call.io.stop,
                         [&](const Damage& damage) { tell_damage(damage, call.output); },
                         [this](const Sums& sums) { return repairs_.page(sums); }},
                        verify_);
  }
  call.output.end_problems("--json");
  VerifyManner manner{std::string(prover.where()),
                      verify_.quick ? kQuickProves : prover.describe(), verify_.quick,
                      std::chrono::steady_clock::now() - started, std::nullopt};
  repair(repository, report, manner, call);
  const ExitCode code = code_for(report);
  tell_report(report, manner, code, call.output);
  return code;
}

/// A guard's refusal does not keep what was found from being told.
void VerifyCommand::repair(const Repository& repository, const VerifyReport& report,
                           VerifyManner& manner, Invocation& call) {
  if (!repairs_.is_wanted()) return;
  try {
    repairs_.run(repository, report, verify_.accepted_losses, call);
    manner.repaired = repairs_.tally();
  } catch (const Error&) {
    if (!call.output.json()) tell_report(report, manner, ExitCode::damage, call.output);
    throw;
  }
}

/// What was healed is no damage any more, unless it was only tried.
ExitCode VerifyCommand::code_for(const VerifyReport& report) const {
  const bool is_repaired = repairs_.is_wanted() && !repairs_.tally().dry_run &&
                           report.manifests_damaged == 0 && repairs_.tally().left == 0;
  if (report.is_damaged() && !is_repaired) return ExitCode::damage;
  return report.not_verified > 0 ? ExitCode::incomplete : ExitCode::ok;
}

}  // namespace

const ToolSpec& verify_tool() {
  static const ToolSpec spec{
      "reverse-verify",
      {"[OPTIONS] REPO [REV...]", "[OPTIONS] REPO REV[:PATH] --against DIR"},
      "Verifies that a repository holds what it was given; names what damage costs.",
      {{"reverse-verify /mnt/disk/backup", "every object, every revision"},
       {"reverse-verify -q --max-duration 2h /mnt/disk/backup", "a part each night, from cron"}},
      {.dry_run = true, .guards = true, .progress = true},
      [] { return std::make_unique<VerifyCommand>(); }};
  return spec;
}

}  // namespace reverse
