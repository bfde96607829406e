#include "tools/reverse-sync/command.h"

#include "libcore/base/calendar.h"
#include "libcore/base/fd.h"
#include "libcore/base/text.h"
#include "libcore/cli/cli_observer.h"
#include "libcore/cli/repository_access.h"
#include "libcore/cli/values.h"
#include "libcore/engine/sync.h"
#include "tools/reverse-sync/report.h"

namespace reverse {

namespace {

class SyncCommand : public Command {
 public:
  void declare_options(OptionSet& options) override;
  ExitCode execute(Invocation& call) override;

 private:
  void declare_selection(OptionSet& options);
  void declare_carrying(OptionSet& options);
  void take_operands(Invocation& call);
  void name_revisions(const Repository& source, Invocation& call);
  void read_inventory();
  void check_inventory(DigestKind target) const;
  void prepare_target(Repository& target) const;
  OpenOptions creation(const Repository& source, const Invocation& call) const;

  Location from_, to_;
  std::vector<std::string> words_;  // REV...
  FilterOptions filter_;
  SyncOptions options_;
  std::optional<std::string> inventory_file_;
  std::optional<Inventory> inventory_;
  std::optional<DigestKind> digest_;
  bool no_create_ = false;
};

// --- options

void SyncCommand::declare_options(OptionSet& options) {
  options.heading("Which revisions");
  declare_selection(options);
  options.heading("A disk that is carried");
  declare_carrying(options);
  options.heading("The repository that is written to");
  options.value({"digest"}, "KIND",
                "md5 or sha256 (that of SRC): decided when the repository is created",
                [this](const std::string& text) {
                  digest_ = parse_digest_kind(text);
                  if (!digest_) fail(ErrorKind::usage, "'{}' is neither md5 nor sha256", text);
                });
  options.flag({"no-create"}, "never create a repository (for cron)", no_create_);
}

void SyncCommand::declare_selection(OptionSet& options) {
  SyncSelection& selection = options_.selection;
  filter_.declare(options);
  options.value({"latest", 0, Shown::first}, "N", "only the newest N of each set",
                [&selection](const std::string& text) {
                  selection.latest = count_value(text);
                  if (*selection.latest == 0) fail(ErrorKind::usage, "at least one");
                });
  options.value({"since", 0, Shown::first}, "TIME",
                "only those started then or later: 2014-01-25, 2014-01-25 12:00",
                [&selection](const std::string& text) { selection.since = time_value(text); });
  options.flag({"include-forgotten"},
               "also those that DST has removed, and those marked as forgotten in SRC",
               selection.include_forgotten);
}

void SyncCommand::declare_carrying(OptionSet& options) {
  options.value({"missing-from"}, "FILE",
                "an `inventory` of a third repository: DST gets only what that one lacks",
                inventory_file_);
  options.value({"max-size", 0, Shown::first}, "SIZE",
                "send at most so many bytes; the next run goes on",
                [this](const std::string& text) { options_.max_bytes = size_value(text); });
}

void SyncCommand::take_operands(Invocation& call) {
  if (call.operands.size() < 2) fail(ErrorKind::usage, "two repositories are needed: SRC and DST");
  from_ = parse_location(call.operands[0]);
  to_ = parse_location(call.operands[1]);
  if (repository_name(from_) == repository_name(to_))
    fail(ErrorKind::usage, "SRC and DST are the same: '{}'", printable(repository_name(to_)));
  if (repository_name(to_).starts_with(repository_name(from_) + "/"))
    fail(ErrorKind::usage, "DST lies in SRC: '{}'", printable(repository_name(to_)));
  words_.assign(call.operands.begin() + 2, call.operands.end());
}

void SyncCommand::name_revisions(const Repository& source, Invocation& call) {
  options_.selection.filter = filter_.filter;
  for (const std::string& words : words_) {
    RevisionPath found = resolve(source, words, filter_.filter, call.common);
    if (found.path) fail(ErrorKind::usage, "'{}': a whole revision is copied", printable(words));
    options_.selection.revisions.push_back(found.head.revision());
  }
}

void SyncCommand::read_inventory() {
  if (!inventory_file_) return;
  with_context("--missing-from", [&] {
    inventory_ = Inventory::parse(read_file(*inventory_file_), *inventory_file_);
  });
  options_.elsewhere = &*inventory_;
  if (digest_) check_inventory(*digest_);
}

/// What is carried to a repository has its digest, or it could not be told what that has.
void SyncCommand::check_inventory(DigestKind target) const {
  if (inventory_ && inventory_->digest().value_or(target) != target)
    fail(ErrorKind::usage, "'{}' lists a repository with {}, and DST has {}",
         printable(*inventory_file_), to_string(*inventory_->digest()), to_string(target));
}

// --- running

OpenOptions SyncCommand::creation(const Repository& source, const Invocation& call) const {
  const std::string name = repository_name(to_);
  OpenOptions open;
  open.location = name;
  open.local_path = to_.is_remote() ? "" : name;
  open.create = !no_create_;
  open.digest = digest_;
  open.usual_digest = source.info().digest;
  if (inventory_) open.usual_digest = inventory_->digest().value_or(open.usual_digest);
  open.partial = PartialCopy::accepted;
  open.allow = call.common.allow;
  return open;
}

/// What is carried to another repository needs not be whole, so it must not be taken for one.
void SyncCommand::prepare_target(Repository& target) const {
  if (!inventory_ || target.is_partial()) return;
  if (!target.all_revisions().empty())
    fail(ErrorKind::usage,
         "'{}' is a whole repository, and --missing-from would leave holes in it: give a directory "
         "of its own",
         printable(repository_name(to_)));
  target.declare_partial();
}

ExitCode SyncCommand::execute(Invocation& call) {
  take_operands(call);
  std::unique_ptr<Backend> near = open_backend(from_, call);
  std::unique_ptr<Backend> far = open_backend(to_, call);
  expect_sync(*near, *far);
  const Repository source = Repository::open(*near, false);
  name_revisions(source, call);
  read_inventory();
  std::unique_ptr<Catalog> catalog = open_catalog(call);
  const OpenOptions open = creation(source, call);
  CliObserver observer(call.output, false);
  auto tell = [&](const SyncedRevision& revision) {
    tell_revision(revision, options_.dry_run, call.output);
  };
  options_.dry_run = call.common.dry_run;
  if (options_.dry_run && look_at_location(*far) != LocationState::repository) {
    check_creation(*far, *catalog, open);
    call.output.note(fmt::format("would make a repository at {}", printable(open.location)));
    const DigestKind kind = digest_.value_or(open.usual_digest);
    return sync_and_tell(
        {source, nullptr, kind, nullptr, observer, call.io.stop, tell, translations_of(call)},
        options_, observer, call);
  }
  OpenedRepository opened = open_for_writing(*far, *catalog, open);
  if (opened.created) call.output.note(creation_note(to_, *far));
  Repository& target = opened.repository;
  check_inventory(target.info().digest);
  if (!options_.dry_run) prepare_target(target);
  const auto present = open_present_set(target.info().id, call);
  return sync_and_tell({source, &target, target.info().digest, present.get(), observer,
                        call.io.stop, tell, translations_of(call),
                        copies_of(target.info().id, call)},
                       options_, observer, call);
}

}  // namespace

const ToolSpec& sync_tool() {
  static const ToolSpec spec{
      "reverse-sync",
      {"[OPTIONS] SRC DST [REV...]"},
      "Copies revisions, with all they need, from one repository to another.",
      {{"reverse-sync /mnt/disk/backup /mnt/usb/backup", "everything that is not there yet"},
       {"reverse-sync -n /mnt/disk/backup /mnt/usb/backup", "what that would be"}},
      {.dry_run = true, .guards = true, .progress = true, .repository = false},
      [] { return std::make_unique<SyncCommand>(); }};
  return spec;
}

}  // namespace reverse
