#include "tools/reverse-restore/command.h"

#include <chrono>

#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/cli/cli_observer.h"
#include "libcore/cli/progress.h"
#include "libcore/cli/repository_access.h"
#include "libcore/engine/restore.h"

namespace reverse {

namespace {

class RestoreCommand : public Command {
 public:
  void declare_options(OptionSet& options) override;
  ExitCode execute(Invocation& call) override;

 private:
  void declare_existing(OptionSet& options);
  RestoreOptions plan(const RevisionPath& wanted, const Invocation& call) const;
  ExitCode run_one(const RevisionPath& wanted, Invocation& call, const Repository& repository);
  void tell(const RestoreReport& report, const RestoreOptions& options, double seconds,
            Invocation& call, ExitCode code) const;

  RestoreOptions restore_;
  std::optional<std::string> target_;
  bool in_place_ = false;
  FilterOptions filter_;
  bool single_ = true;  // one operand: its summary is that of the run
};

void RestoreCommand::declare_options(OptionSet& options) {
  options.heading("Where to");
  options.value({"target", 't', Shown::first}, "DIR",
                "the revision's root becomes DIR; PATH's last component appears in DIR", target_);
  options.flag({"in-place", 0, Shown::first}, "everything goes where it was read", in_place_);
  options.heading("What");
  filter_.declare(options);
  options.value({"include"}, "PATTERN", "restore only what matches, directories whole (repeatable)",
                restore_.include);
  options.value({"exclude", 'e'}, "PATTERN", "leave out what matches (repeatable)",
                restore_.exclude);
  options.reserved({"files-from"}, "FILE");
  options.reserved({"files-from0"}, "FILE");
  declare_existing(options);
  options.heading("How");
  options.flag({"sparse"}, "leave holes for zeros in every file, not only in those that had holes",
               restore_.sparse);
  options.flag({"numeric-ids"}, "owners by number, not by name", restore_.numeric_ids);
  options.flag({"no-owner"}, "leave owners alone (as everybody but root does)", restore_.no_owner);
  options.flag({"special"}, "also devices, set-id bits and security.* attributes",
               restore_.special);
  options.flag({"verify"}, "read every file back from disk", restore_.verify);
  options.reserved({"salvage"});
}

void RestoreCommand::declare_existing(OptionSet& options) {
  options.heading("What is there already");
  options.value({"overwrite", 0, Shown::first}, "WHEN",
                "replace files that exist: never (default), if-newer, if-changed, always",
                [this](const std::string& when) {
                  if (when == "never")
                    restore_.overwrite = Overwrite::never;
                  else if (when == "if-newer")
                    restore_.overwrite = Overwrite::if_newer;
                  else if (when == "if-changed")
                    restore_.overwrite = Overwrite::if_changed;
                  else if (when == "always")
                    restore_.overwrite = Overwrite::always;
                  else
                    fail(ErrorKind::usage, "'{}' is none of never, if-newer, if-changed, always",
                         printable(when));
                });
  options.reserved({"delete"});
}

RestoreOptions RestoreCommand::plan(const RevisionPath& wanted, const Invocation& call) const {
  RestoreOptions options = restore_;
  options.dry_run = call.common.dry_run;
  options.path = wanted.path.value_or("");
  const std::string& source = wanted.head.source;
  if (!in_place_) {
    options.target = absolute_path(*target_);
    if (options.target == "/" && source != "/" && call.common.allow.count("target") == 0)
      fail(ErrorKind::refused,
           "the target is /, and the revision was read from '{}': use --in-place to put it back "
           "there, or add --allow target",
           printable(source));
    return options;
  }
  if (!source.starts_with('/'))
    fail(ErrorKind::usage, "revision {} was read from a stream, which has no place: use -t DIR",
         wanted.head.revision());
  std::size_t slash = options.path.rfind('/');
  std::string parent = slash == std::string::npos ? "" : options.path.substr(0, slash);
  options.target = parent.empty() ? source : source == "/" ? "/" + parent : source + "/" + parent;
  return options;
}

ExitCode RestoreCommand::execute(Invocation& call) {
  ReadAccess access = open_for_reading(take_repository(call, RepositoryPlace::first, 1), call);
  if (call.operands.empty())
    fail(ErrorKind::usage, "REV is missing: latest, HOST/LABEL, or what 'reverse list' shows");
  if (target_.has_value() == in_place_) fail(ErrorKind::usage, "give either -t DIR or --in-place");
  if (target_ == "-") fail(ErrorKind::usage, "-t - (tar) is not in this version");
  std::vector<RevisionPath> wanted;
  for (const std::string& words : call.operands)
    wanted.push_back(resolve(access.repository, words, filter_.filter, call.common));
  ExitCode code = ExitCode::ok;
  single_ = wanted.size() == 1;
  for (const RevisionPath& one : wanted)
    code = gravest(code, run_one(one, call, access.repository));
  if (call.output.json() && !single_)
    call.output.result(JsonLine("summary")
                           .add("operands", std::uint64_t{wanted.size()})
                           .add("exit_code", static_cast<int>(code)));
  return code;
}

ExitCode code_of(const RestoreReport& report) {
  if (report.damaged > 0) return ExitCode::damage;
  bool partial = report.failed > 0 || report.files_kept > 0 || report.unreadable > 0;
  return partial ? ExitCode::incomplete : ExitCode::ok;
}

ExitCode RestoreCommand::run_one(const RevisionPath& wanted, Invocation& call,
                                 const Repository& repository) {
  auto started = std::chrono::steady_clock::now();
  RestoreOptions options = plan(wanted, call);
  CliObserver observer(call.output, call.output.verbosity() > 0 || options.dry_run);
  RestoreReport report;
  {
    ProgressPrinter progress(call.io, call.output, call.common,
                             [&] { return observer.snapshot("restore", "restored"); });
    report = run_restore(repository, wanted.head, options, observer, call.io.stop);
  }
  call.output.end_problems("-v");
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
  ExitCode code = code_of(report);
  tell(report, options, seconds.count(), call, code);
  return code;
}

void RestoreCommand::tell(const RestoreReport& report, const RestoreOptions& options,
                          double seconds, Invocation& call, ExitCode code) const {
  if (call.output.json()) {
    JsonLine line("summary");
    line.add("files_restored", report.files_restored).add("others_restored", report.others_restored);
    line.add("repositories_restored", report.repositories_restored);
    line.add("files_skipped", report.files_skipped).add("files_kept", report.files_kept);
    line.add("files_deleted", 0);
    line.add("files_damaged", report.damaged).add("files_unreadable", report.unreadable);
    line.add("files_failed", report.failed).add("special_left_out", report.special_left_out);
    line.add("bytes_restored", report.bytes_restored).add("total_duration", seconds);
    line.add_path("target", options.target).add("dry_run", options.dry_run);
    if (single_) line.add("exit_code", static_cast<int>(code));
    return call.output.result(line);
  }
  std::string text = fmt::format(
      "{} {}, {} to {} in {}", options.dry_run ? "would restore" : "restored",
      counted(report.files_restored, "file"), format_bytes(report.bytes_restored),
      printable(options.target), format_duration(std::chrono::duration<double>(seconds)));
  auto add = [&](std::uint64_t count, const char* what) {
    if (count > 0) text += fmt::format("\n  {} {}", format_count(count), what);
  };
  add(report.others_restored, "links and special files");
  add(report.repositories_restored, "repositories made again");
  add(report.files_skipped, "already there");
  add(report.files_kept, "there, but different: kept (--overwrite if-changed replaces)");
  add(report.damaged, "damaged in the repository: not restored");
  add(report.unreadable, "without content: unreadable when backed up");
  add(report.failed, "failed");
  add(report.special_left_out,
      "left out: devices, set-id bits, security attributes (--special restores them)");
  add(report.owners_left_out, "not given to the owner");
  call.output.summary(text);
}

}  // namespace

const ToolSpec& restore_tool() {
  static const ToolSpec spec{
      "reverse-restore",
      {"[OPTIONS] REPO REV[:PATH]... {-t DIR | --in-place}"},
      "Gets files back out of revisions.",
      {{"reverse-restore /mnt/disk/backup latest -t /tmp/home", "everything, as /tmp/home"},
       {"reverse-restore /mnt/disk/backup latest:/home/joe/a.txt --in-place",
        "one file, back where it was"}},
      {.dry_run = true, .guards = true, .progress = true},
      [] { return std::make_unique<RestoreCommand>(); }};
  return spec;
}

}  // namespace reverse
