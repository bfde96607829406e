#include "tools/reverse-restore/command.h"

#include <chrono>

#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/cli/cli_observer.h"
#include "libcore/cli/name_list.h"
#include "libcore/cli/progress.h"
#include "libcore/cli/repository_access.h"
#include "libcore/engine/restore.h"
#include "libcore/engine/restore_tar.h"

namespace reverse {

namespace {

class RestoreCommand : public Command {
 public:
  void declare_options(OptionSet& options) override;
  ExitCode execute(Invocation& call) override;

 private:
  void declare_existing(OptionSet& options);
  void check_choices(const Invocation& call) const;
  RestoreOptions plan(const RevisionPath& wanted, const Invocation& call) const;
  void check_target(const std::string& target) const;
  bool to_archive() const { return target_ == "-"; }
  ExitCode run_all(const std::vector<RevisionPath>& wanted, Invocation& call,
                   const Repository& repository);
  ExitCode run_one(const RevisionPath& wanted, Invocation& call, const Repository& repository);
  void tell(const RestoreReport& report, const RestoreOptions& options, double seconds,
            Invocation& call, ExitCode code) const;

  Location location_;  // of the repository
  RestoreOptions restore_;
  std::optional<std::string> files_from_, files_from0_;
  bool has_overwrite_ = false;
  std::unique_ptr<TarWriter> archive_;
  std::optional<std::string> target_;
  bool in_place_ = false;
  FilterOptions filter_;
  bool single_ = true;  // one operand: its summary is that of the run
};

void RestoreCommand::declare_options(OptionSet& options) {
  options.heading("Where to");
  options.value({"target", 't', Shown::first}, "DIR",
                "the revision's root becomes DIR; PATH's last component appears in DIR; "
                "'-': a tar archive on standard output",
                target_);
  options.flag({"in-place", 0, Shown::first}, "everything goes where it was read", in_place_);
  options.heading("What");
  filter_.declare(options);
  options.value({"include"}, "PATTERN", "restore only what matches, directories whole (repeatable)",
                restore_.include);
  options.value({"exclude", 'e'}, "PATTERN", "leave out what matches (repeatable)",
                restore_.exclude);
  options.value({"files-from"}, "FILE",
                "restore only the paths in FILE, a line each, directories whole ('-': standard input)",
                files_from_);
  options.value({"files-from0"}, "FILE", "likewise, paths ended by NUL", files_from0_);
  declare_existing(options);
  options.heading("How");
  options.flag({"sparse"}, "leave holes for zeros in every file, not only in those that had holes",
               restore_.sparse);
  options.flag({"numeric-ids"}, "owners by number, not by name", restore_.numeric_ids);
  options.flag({"no-owner"}, "leave owners alone (as everybody but root does)", restore_.no_owner);
  options.flag({"special"}, "also devices, set-id bits and security.* attributes",
               restore_.special);
  options.flag({"verify"}, "read every file back from disk", restore_.verify);
  options.flag({"salvage"}, "what there is of damaged content, as NAME.damaged", restore_.salvage);
}

void RestoreCommand::declare_existing(OptionSet& options) {
  options.heading("What is there already");
  options.value({"overwrite", 0, Shown::first}, "WHEN",
                "replace files that exist: never (default), if-newer, if-changed, always",
                [this](const std::string& when) {
                  has_overwrite_ = true;
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
  options.flag({"delete", 0, Shown::first},
               "remove what the revision does not have, within what is restored",
               restore_.delete_others);
}

void RestoreCommand::check_target(const std::string& target) const {
  const Location place{.host = "", .user = "", .port = 0, .path = target};
  if (!location_.is_remote() &&
      (repository_name(place) + "/").starts_with(repository_name(location_) + "/"))
    fail(ErrorKind::usage, "'{}' lies in the repository, where nothing is restored to",
         printable(target));
}

RestoreOptions RestoreCommand::plan(const RevisionPath& wanted, const Invocation& call) const {
  RestoreOptions options = restore_;
  options.dry_run = call.common.dry_run;
  options.path = wanted.path.value_or("");
  if (to_archive()) return options;
  const std::string& source = wanted.head.source;
  if (!in_place_) {
    options.target = absolute_path(*target_);
    check_target(options.target);
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
  check_target(options.target);
  return options;
}

void RestoreCommand::check_choices(const Invocation& call) const {
  if (call.operands.empty())
    fail(ErrorKind::usage, "REV is missing: latest, HOST/LABEL, or what 'reverse list' shows");
  if (target_.has_value() == in_place_) fail(ErrorKind::usage, "give either -t DIR or --in-place");
  if (target_ && target_->find(':') < target_->find('/'))
    fail(ErrorKind::usage, "files are restored on this machine: run it on the other one, or write './{}'",
         printable(*target_));
  if (restore_.only && !restore_.include.empty())
    fail(ErrorKind::usage, "--include and --files-from exclude each other");
  if (!to_archive()) return;
  if (has_overwrite_ || restore_.delete_others || restore_.sparse || restore_.verify ||
      restore_.salvage || restore_.no_owner)
    fail(ErrorKind::usage,
         "--overwrite, --delete, --sparse, --verify, --salvage and --no-owner do not go with "
         "-t -: an archive says what was backed up");
  if (call.common.dry_run) return;
  if (call.output.json())
    fail(ErrorKind::usage, "an archive on standard output does not go with --json");
  if (call.io.out_is_terminal)
    fail(ErrorKind::usage, "the archive would go to the terminal: add '> FILE' or '| tar x'");
}

ExitCode RestoreCommand::execute(Invocation& call) {
  const std::string repository = take_repository(call, RepositoryPlace::first, 1);
  location_ = parse_location(repository);
  ReadAccess access = open_for_reading(repository, call);
  restore_.only = names_in_files(files_from_, files_from0_, call.io.in_fd);
  check_choices(call);
  std::vector<RevisionPath> wanted;
  for (const std::string& words : call.operands)
    wanted.push_back(resolve(access.repository, words, filter_.filter, call.common));
  return run_all(wanted, call, access.repository);
}

ExitCode RestoreCommand::run_all(const std::vector<RevisionPath>& wanted, Invocation& call,
                                 const Repository& repository) {
  ExitCode code = ExitCode::ok;
  single_ = wanted.size() == 1;
  if (to_archive()) archive_ = std::make_unique<TarWriter>(call.io.out);
  for (const RevisionPath& one : wanted)
    code = gravest(code, run_one(one, call, repository));
  if (archive_ && !call.common.dry_run) archive_->finish();
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
  const bool is_plan = options.dry_run;
  CliObserver observer(call.output, is_plan || (call.output.verbosity() > 0 && !archive_));
  RestoreReport report;
  {
    ProgressPrinter progress(call.io, call.output, call.common,
                             [&] { return observer.snapshot("restore", "restored"); });
    report = archive_ ? run_tar(repository, wanted.head, options, *archive_, observer, call.io.stop)
                      : run_restore(repository, wanted.head, options, observer, call.io.stop);
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
    line.add("files_deleted", report.files_deleted);
    line.add("files_damaged", report.damaged).add("files_salvaged", report.salvaged);
    line.add("files_unreadable", report.unreadable);
    line.add("files_failed", report.failed).add("special_left_out", report.special_left_out);
    line.add("bytes_restored", report.bytes_restored).add("total_duration", seconds);
    line.add_path("target", archive_ ? "-" : options.target).add("dry_run", options.dry_run);
    if (single_) line.add("exit_code", static_cast<int>(code));
    return call.output.result(line);
  }
  std::string text = fmt::format(
      "{} {}, {} to {} in {}", options.dry_run ? "would restore" : "restored",
      counted(report.files_restored, "file"), format_bytes(report.bytes_restored),
      archive_ ? "an archive" : printable(options.target), format_duration(std::chrono::duration<double>(seconds)));
  auto add = [&](std::uint64_t count, const char* what) {
    if (count > 0) text += fmt::format("\n  {} {}", format_count(count), what);
  };
  add(report.others_restored, "links and special files");
  add(report.repositories_restored, "repositories made again");
  add(report.files_skipped, "already there");
  add(report.files_kept, "there, but different: kept (--overwrite if-changed replaces)");
  add(report.files_deleted,
      options.dry_run ? "not in the revision: to be deleted" : "not in the revision: deleted");
  add(report.damaged, "damaged in the repository: not restored");
  add(report.salvaged, "of these there as NAME.damaged");
  add(report.unreadable, "without content: unreadable when backed up");
  add(report.failed, "failed");
  add(report.special_left_out,
      "left out: devices, set-id bits, security attributes (--special restores them)");
  add(report.owners_left_out, "not given to the owner");
  if (archive_ && !options.dry_run) return call.output.note(text);
  call.output.summary(text);
}

}  // namespace

const ToolSpec& restore_tool() {
  static const ToolSpec spec{
      "reverse-restore",
      {"[OPTIONS] REPO REV[:PATH]... {-t DIR | --in-place | -t -}"},
      "Gets files back out of revisions.",
      {{"reverse-restore /mnt/disk/backup latest -t /tmp/home", "everything, as /tmp/home"},
       {"reverse-restore /mnt/disk/backup latest:/home/joe/a.txt --in-place",
        "one file, back where it was"}},
      {.dry_run = true, .guards = true, .progress = true},
      [] { return std::make_unique<RestoreCommand>(); }};
  return spec;
}

}  // namespace reverse
