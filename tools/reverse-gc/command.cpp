#include "tools/reverse-gc/command.h"

#include "libcore/cli/cli_observer.h"
#include "libcore/cli/repository_access.h"
#include "libcore/cli/values.h"
#include "libcore/engine/forget.h"
#include "libcore/engine/gc.h"
#include "tools/reverse-gc/report.h"
#include "tools/reverse-gc/rule_options.h"

namespace reverse {

namespace {

class GcCommand : public Command {
 public:
  void declare_options(OptionSet& options) override;
  ExitCode execute(Invocation& call) override;

 private:
  void validate(const Invocation& call) const;

  RetentionRules rules_;
  FilterOptions filter_;
  GcOptions options_;
};

void GcCommand::declare_options(OptionSet& options) {
  declare_rules(options, rules_);
  filter_.declare(options);
  options.heading("How long things wait");
  options.value({"grace", 0, Shown::first}, "D",
                "how long what is forgotten can be taken back (7d)",
                [this](const std::string& text) { options_.grace = duration_value(text); });
  options.value({"trash"}, "D", "how long objects wait that were taken out (24h; 0 with --grace 0)",
                [this](const std::string& text) { options_.trash = duration_value(text); });
  options.value(
      {"keep-unreferenced"}, "D",
      "how old uploads must be that no revision needs (7d; 0 with --grace 0)",
      [this](const std::string& text) { options_.keep_unreferenced = duration_value(text); });
}

void GcCommand::validate(const Invocation& call) const {
  if (!call.operands.empty()) fail(ErrorKind::usage, "one REPO is enough");
  const RevisionFilter& only = filter_.filter;
  if (rules_.empty() && !(only.sets.empty() && only.hosts.empty() && only.tags.empty()))
    fail(ErrorKind::usage, "--set, --host and --tag say what rules act on, and there is no rule");
}

ExitCode GcCommand::execute(Invocation& call) {
  Location location = parse_location(take_repository(call, RepositoryPlace::first, 0));
  validate(call);
  std::unique_ptr<Backend> backend = open_backend(location, call);
  Repository repository = Repository::open(*backend, true);
  options_.allow = call.common.allow;
  options_.dry_run = call.common.dry_run;
  if (!rules_.empty()) {
    RuledRevisions ruled =
        apply_rules(repository, rules_, filter_.filter, options_.allow, call.io.stop);
    tell_rules(ruled, call.output);
    options_.forget = std::move(ruled.forget);
  }
  CliObserver observer(call.output, false);
  GcReport report = run_gc(repository, options_, observer, call.io.stop);
  ExitCode code = report.damaged > 0 ? ExitCode::damage : ExitCode::ok;
  tell_report(report, options_.dry_run, code, call.output);
  return code;
}

}  // namespace

const ToolSpec& gc_tool() {
  static const ToolSpec spec{
      "reverse-gc",
      {"[OPTIONS] REPO"},
      "Lets revisions go that no rule keeps, and frees the space that nothing needs.",
      {{"reverse-gc -n --keep-daily 7 --keep-monthly 12 /mnt/disk/backup",
        "what would be kept, and why"},
       {"reverse-gc -q --keep-daily 7 --keep-monthly 12 /mnt/disk/backup", "from cron"}},
      {.dry_run = true, .guards = true},
      [] { return std::make_unique<GcCommand>(); }};
  return spec;
}

}  // namespace reverse
