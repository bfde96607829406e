#include "tools/reverse-backup/command.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "libcore/base/temp_dir.h"
#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/cli/cli_observer.h"
#include "libcore/cli/progress.h"
#include "libcore/cli/repository_access.h"
#include "libcore/engine/expect_backup.h"
#include "libcore/engine/nested.h"
#include "libcore/engine/set_lock.h"
#include "tools/reverse-backup/choices.h"
#include "tools/reverse-backup/stream_source.h"
#include "tools/reverse-sync/report.h"

namespace reverse {

namespace {

class BackupCommand : public Command {
 public:
  void declare_options(OptionSet& options) override { choices_.declare(options); }
  ExitCode execute(Invocation& call) override;

 private:
  AskedHead expect_reads(Backend& backend, const std::string& location,
                         const BackupOptions& options, Invocation& call) const;
  ExitCode run_all(std::vector<BackupOptions> planned, Invocation& call,
                   const Repository& repository);
  ExitCode run_one(BackupOptions& options, Invocation& call, const Repository& repository);
  std::optional<LocalRepository> source_repository(const BackupOptions& options) const;
  ExitCode sync_source(const Repository& source, const BackupOptions& options, Invocation& call,
                       const Repository& repository);
  BackupReport back_up(const BackupOptions& options, Invocation& call,
                       const Repository& repository);
  BackupReport attempt(const BackupOptions& options, Invocation& call,
                       const Repository& repository);
  void tell(const BackupReport& report, double seconds, ExitCode code, Invocation& call) const;
  bool may_keep_silent(const Error& error, const BackupOptions& options, const Invocation& call,
                       const Repository& repository) const;
  ExitCode code_of(const BackupReport& report) const;

  BackupChoices choices_;
  std::unique_ptr<Catalog> catalog_;
  AskedHead* asked_head_ = nullptr;  // while it runs
  bool single_ = true;  // one source: its summary is that of the run
};

// --- the summary

std::string counts_line(const BackupReport& report, double seconds, bool dry_run) {
  std::string line;
  auto add = [&](std::uint64_t count, const char* what) {
    if (count > 0)
      line += fmt::format("{}{} {}", line.empty() ? "" : ", ", format_count(count), what);
  };
  add(report.files_new, "new");
  add(report.files_changed, "changed");
  add(report.files_moved, "moved");
  add(report.files_gone, "gone");
  if (line.empty()) add(report.dirs_new + report.dirs_changed, "directories new or changed");
  if (line.empty()) line = "nothing changed";
  if (dry_run) return line;
  line += fmt::format(" · stored {} in {}", format_bytes(report.data_added),
                      format_duration(std::chrono::duration<double>(seconds)));
  if (report.files_changed_while_read > 0)
    line +=
        fmt::format(" · {} changed while read (stored, marked)", report.files_changed_while_read);
  if (const LargeUploads::WentOn& large = report.went_on; large.files > 0)
    line += " · " + amount(large);
  if (report.files_vanished > 0)
    line += fmt::format(" · {} vanished meanwhile", report.files_vanished);
  if (report.nested_revisions > 0)
    line += fmt::format(" · {} of nested repositories copied",
                        counted(report.nested_revisions, "revision"));
  return line;
}

std::string title_line(const BackupReport& report, bool dry_run) {
  const Head& head = report.head;
  std::string size = fmt::format("{}, {}", counted(head.files, "file"), format_bytes(head.bytes));
  if (dry_run)
    return fmt::format("{}  dry run: would back up {}, {} of them to be read",
                       printable(head.set()), size, format_bytes(report.bytes_read));
  if (!report.published)
    return fmt::format("{}  unchanged, nothing published  {}", printable(head.set()), size);
  return fmt::format("{}  {}  {}", printable(head.revision()), to_string(head.outcome), size);
}

JsonLine summary_object(const BackupReport& report, double seconds, bool dry_run) {
  const Head& head = report.head;
  JsonLine line("summary");
  line.add("files_new", report.files_new).add("files_changed", report.files_changed);
  line.add("files_unmodified", report.files_unmodified).add("files_moved", report.files_moved);
  line.add("files_gone", report.files_gone).add("files_vanished", report.files_vanished);
  line.add("files_changed_while_read", report.files_changed_while_read);
  line.add("dirs_new", report.dirs_new).add("dirs_changed", report.dirs_changed);
  line.add("dirs_unmodified", report.dirs_unmodified).add("data_added", report.data_added);
  line.add("total_files_processed", head.files).add("total_bytes_processed", head.bytes);
  const std::uint64_t there = std::min(report.went_on.bytes, report.data_added);
  line.add("bytes_sent", report.data_added - there).add("bytes_read", report.bytes_read);
  line.add("files_resumed", report.went_on.files).add("bytes_resumed", report.went_on.bytes);
  line.add("nested_revisions", report.nested_revisions);
  line.add("backup_start", head.started);
  line.add("backup_end", head.finished.empty() ? to_rfc3339_local(now()) : head.finished);
  line.add("total_duration", seconds);
  if (report.published) line.add("snapshot_id", head.id).add("revision", head.revision());
  line.add("set", head.set()).add("outcome", to_string(head.outcome)).add("dry_run", dry_run);
  return line;
}

// --- running

ExitCode BackupCommand::execute(Invocation& call) {
  std::string place = take_repository(call, RepositoryPlace::last, choices_.stdin_command ? 0 : 1);
  Location location = parse_location(place);
  std::vector<BackupOptions> planned = choices_.plan(call);
  choices_.check_mounts();
  catalog_ = open_catalog(call);
  std::unique_ptr<Backend> backend = open_backend(location, call, choices_.durability);
  std::string path = repository_name(location);
  OpenOptions open{path, location.is_remote() ? "" : path, !choices_.no_create, choices_.digest,
                   call.common.allow};

  if (call.common.dry_run && look_at_location(*backend) != LocationState::repository) {
    check_creation(*backend, *catalog_, open);
    call.output.note(fmt::format("would make a repository at {}", printable(path)));
    TempDir scratch;  // the plan is made against an empty repository elsewhere
    backend = open_local_backend(scratch / "repository");
    Repository empty = Repository::create(*backend, choices_.digest.value_or(DigestKind::md5));
    return run_all(std::move(planned), call, empty);
  }
  AskedHead asked;
  if (location.is_remote()) asked = expect_reads(*backend, path, planned.front(), call);
  asked_head_ = &asked;
  OpenedRepository opened = open_for_writing(*backend, *catalog_, open);
  if (opened.created) {
    asked = expect_first_backup(opened.repository);
    call.output.note(creation_note(location, *backend));
  }
  return run_all(std::move(planned), call, opened.repository);
}

/// Has a distant repository that is known be read ahead. A dry run asks for nothing that it would have to remove.
AskedHead BackupCommand::expect_reads(Backend& backend, const std::string& location,
                                      const BackupOptions& options, Invocation& call) const {
  const std::optional<std::string> id = catalog_->repository_at(location);
  if (!id) return {};
  std::optional<PresentSet::Basis> basis;
  if (!call.common.dry_run) basis = open_present_set(*id, call)->basis();
  return expect_backup(backend, options.host + "/" + options.label, basis);
}

ExitCode BackupCommand::run_all(std::vector<BackupOptions> planned, Invocation& call,
                                const Repository& repository) {
  single_ = planned.size() == 1;
  ExitCode code = ExitCode::ok;
  for (BackupOptions& options : planned) {
    ExitCode one = ExitCode::ok;
    try {
      one = run_one(options, call, repository);
    } catch (const Error& error) {
      one = exit_code_for(error.kind());
      if (!may_keep_silent(error, options, call, repository)) {
        if (single_) throw;
        // The other sources still run; each failure is told where it happened.
        call.output.problem(options.source, "backup", error.what());
      }
    }
    code = gravest(code, one);
  }
  if (call.output.json() && !single_)
    call.output.result(JsonLine("summary")
                           .add("sources", std::uint64_t{planned.size()})
                           .add("exit_code", static_cast<int>(code)));
  return code;
}

/// The repository that SOURCE is; nullopt if it is none, or is to be backed up as files.
std::optional<LocalRepository> BackupCommand::source_repository(const BackupOptions& options) const {
  if (options.repositories != NestedRepositories::merge || choices_.stdin_filename)
    return std::nullopt;
  try {
    return LocalRepository::open(options.read_from);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::no_repository && error.kind() != ErrorKind::corrupt) throw;
    return std::nullopt;
  }
}

ExitCode BackupCommand::run_one(BackupOptions& options, Invocation& call,
                                const Repository& repository) {
  if (std::optional<LocalRepository> source = source_repository(options))
    return sync_source(source->repository, options, call, repository);
  auto started = std::chrono::steady_clock::now();
  std::optional<SetLock> lock;
  if (!options.dry_run)
    lock.emplace(call.common.cache_dir, repository.info().id, options.host + "/" + options.label);
  std::unique_ptr<StreamReader> stream;
  if (choices_.stdin_filename) {
    stream = choices_.stdin_command
                 ? std::make_unique<StreamReader>(*choices_.stdin_command, call.io.stop)
                 : std::make_unique<StreamReader>(call.io.in_fd, call.io.stop);
    options.stream = StreamSource{*choices_.stdin_filename, stream.get()};
  }
  BackupReport report = back_up(options, call, repository);
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
  call.output.end_problems(
      report.published ? fmt::format("reverse show REPO {}", printable(report.head.revision()))
                       : "-v");
  ExitCode code = code_of(report);
  tell(report, seconds.count(), code, call);
  return code;
}

/// Backing up a repository is a sync: each revision in its own set, and nothing of the others.
ExitCode BackupCommand::sync_source(const Repository& source, const BackupOptions& options,
                                    Invocation& call, const Repository& repository) {
  const auto present = open_present_set(repository.info().id, call);
  CliObserver observer(call.output, false);
  SyncOptions all;
  all.dry_run = options.dry_run;
  const SyncDeps deps{source,   &repository,  repository.info().digest, present.get(),
                      observer, call.io.stop, [&](const SyncedRevision& revision) {
                        tell_revision(revision, all.dry_run, call.output);
                      },
                      translations_of(call), copies_of(repository.info().id, call)};
  return sync_and_tell(deps, all, observer, call);
}

/// Where damage in the catalog shows in mid-run, it is made anew and the run begins again, once.
BackupReport BackupCommand::back_up(const BackupOptions& options, Invocation& call,
                                    const Repository& repository) {
  try {
    return attempt(options, call, repository);
  } catch (const Error& error) {
    bool repeatable = !options.stream;  // a stream cannot be read twice
    if (error.kind() != ErrorKind::corrupt || !repeatable) throw;
  }
  catalog_.reset();  // only a file that nobody has open is set aside
  catalog_ = open_catalog(call);
  return attempt(options, call, repository);
}

BackupReport BackupCommand::attempt(const BackupOptions& options, Invocation& call,
                                    const Repository& repository) {
  const auto present = open_present_set(repository.info().id, call);
  CliObserver observer(call.output, call.output.verbosity() > 0 || options.dry_run);
  ProgressPrinter progress(call.io, call.output, call.common,
                           [&] { return observer.snapshot("backup", "read"); });
  const std::string& id = repository.info().id;
  return run_backup({repository, *catalog_, *present, observer, call.io.stop, uploads_of(id, call),
                     asked_head_, translations_of(call), copies_of(id, call)},
                    options);
}

void BackupCommand::tell(const BackupReport& report, double seconds, ExitCode code,
                         Invocation& call) const {
  bool dry_run = call.common.dry_run;
  if (!call.output.json()) {
    call.output.summary(title_line(report, dry_run));
    return call.output.summary("  " + counts_line(report, seconds, dry_run));
  }
  JsonLine line = summary_object(report, seconds, dry_run);
  if (single_) line.add("exit_code", static_cast<int>(code));
  call.output.result(line);
}

ExitCode BackupCommand::code_of(const BackupReport& report) const {
  if (report.head.outcome == Outcome::incomplete) return ExitCode::incomplete;
  bool moving = report.files_vanished > 0 || report.files_changed_while_read > 0;
  return choices_.strict && moving ? ExitCode::incomplete : ExitCode::ok;
}

bool BackupCommand::may_keep_silent(const Error& error, const BackupOptions& options,
                                    const Invocation& call, const Repository& repository) const {
  if (!error.retryable() || !choices_.overdue || !call.output.quiet()) return false;
  std::optional<Head> newest = newest_head(repository, options.host + "/" + options.label);
  if (!newest || newest->outcome != Outcome::complete) return false;
  std::optional<Timestamp> finished = parse_rfc3339(newest->finished);
  return finished && plus_seconds(*finished, choices_.overdue->count()) > now();
}

}  // namespace

const ToolSpec& backup_tool() {
  static const ToolSpec spec{"reverse-backup",
                             {"[OPTIONS] SOURCE... REPO", "[OPTIONS] --stdin-filename NAME - REPO",
                              "[OPTIONS] --stdin-filename NAME --stdin-from-command CMD REPO"},
                             "Backs up each SOURCE as one revision of its own set in REPO.",
                             {{"reverse-backup /home /mnt/disk/backup",
                               "back up /home; the first time makes the repository"},
                              {"reverse-backup -q --no-create /home /mnt/disk/backup",
                               "from cron: silent unless something is wrong"}},
                             {.dry_run = true, .guards = true, .progress = true},
                             [] { return std::make_unique<BackupCommand>(); }};
  return spec;
}

}  // namespace reverse
