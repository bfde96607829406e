#include "libcore/engine/diff.h"

#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/cli/repository_access.h"
#include "tools/reverse-snapshot/command.h"

namespace reverse {

namespace {

/// What all changes come to.
struct Totals {
  std::uint64_t files[6] = {};  ///< by kind of change; everything but directories
  std::uint64_t directories_added = 0, directories_removed = 0;
  std::uint64_t bytes_added = 0, bytes_removed = 0;  ///< of contents that came and went

  void take(const Change& change);
  std::uint64_t of(Change::Kind kind) const { return files[static_cast<int>(kind)]; }
};

void Totals::take(const Change& change) {
  if (change.type == FileType::directory && change.kind == Change::Kind::added)
    ++directories_added;
  else if (change.type == FileType::directory && change.kind == Change::Kind::removed)
    ++directories_removed;
  else
    ++files[static_cast<int>(change.kind)];
  if (change.kind == Change::Kind::moved || change.kind == Change::Kind::metadata) return;
  bytes_added += change.size_after;
  bytes_removed += change.size_before;
}

class DiffCommand : public Command {
 public:
  void declare_options(OptionSet& options) override {
    options.heading("What is compared");
    filter_.declare(options);
    options.flag({"stat", 0, Shown::first}, "only how many, and how much", stat_);
  }
  ExitCode execute(Invocation& call) override;

 private:
  Head revision(const Repository& repository, const std::string& words,
                const Invocation& call) const;
  void print(const Change& change, Invocation& call) const;
  void print_totals(Invocation& call) const;

  FilterOptions filter_;
  bool stat_ = false;
  Totals totals_;
};

char modifier(Change::Kind kind) { return "+-MUTR"[static_cast<int>(kind)]; }

/// A directory's time changes with each name in it, and those are told.
bool says_nothing_new(const Change& change) {
  return change.only_time && change.type == FileType::directory;
}

Head DiffCommand::revision(const Repository& repository, const std::string& words,
                           const Invocation& call) const {
  RevisionPath found = resolve(repository, words, filter_.filter, call.common);
  if (found.path)
    fail(ErrorKind::usage, "'{}': diff takes whole revisions, without a PATH", printable(words));
  return std::move(found.head);
}

void DiffCommand::print(const Change& change, Invocation& call) const {
  std::string path = change.path.empty() ? "." : change.path;
  if (call.output.json()) {
    JsonLine line("change");
    line.add_path("path", path).add("modifier", std::string(1, modifier(change.kind)));
    if (change.kind == Change::Kind::moved) line.add_path("moved_from", change.moved_from);
    return call.output.result(line);
  }
  if (change.type == FileType::directory) path += '/';
  call.output.result(change.kind == Change::Kind::moved
                         ? fmt::format("R  {}  (was {})", printable(path),
                                       printable(change.moved_from))
                         : fmt::format("{}  {}", modifier(change.kind), printable(path)));
}

void DiffCommand::print_totals(Invocation& call) const {
  using Kind = Change::Kind;
  if (call.output.json()) {
    JsonLine line("summary");
    line.add("files_added", totals_.of(Kind::added)).add("files_removed", totals_.of(Kind::removed));
    line.add("files_modified", totals_.of(Kind::modified) + totals_.of(Kind::type));
    line.add("files_moved", totals_.of(Kind::moved));
    line.add("metadata_changed", totals_.of(Kind::metadata));
    line.add("dirs_added", totals_.directories_added);
    line.add("dirs_removed", totals_.directories_removed);
    line.add("bytes_added", totals_.bytes_added).add("bytes_removed", totals_.bytes_removed);
    return call.output.result(line.add("exit_code", 0));
  }
  auto count = [&](Kind kind) { return format_count(totals_.of(kind)); };
  std::string text = fmt::format(
      "{} new, {} changed, {} moved, {} gone, {} with other metadata\n"
      "directories: {} new, {} gone · +{}, -{}",
      counted(totals_.of(Kind::added), "file"),
      format_count(totals_.of(Kind::modified) + totals_.of(Kind::type)), count(Kind::moved),
      count(Kind::removed), count(Kind::metadata), format_count(totals_.directories_added),
      format_count(totals_.directories_removed), format_bytes(totals_.bytes_added),
      format_bytes(totals_.bytes_removed));
  stat_ ? call.output.result(text) : call.output.summary(text);
}

ExitCode DiffCommand::execute(Invocation& call) {
  ReadAccess access = open_for_reading(take_repository(call, RepositoryPlace::first, 1), call);
  if (call.operands.empty()) fail(ErrorKind::usage, "REV is missing");
  if (call.operands.size() > 2) fail(ErrorKind::usage, "two revisions are compared, no more");
  Head after = revision(access.repository, call.operands.back(), call);
  Head before = call.operands.size() == 2
                    ? revision(access.repository, call.operands.front(), call)
                    : revision_before(access.repository, after);
  if (call.operands.size() == 1 && !call.output.json())
    call.output.note(fmt::format("{} and before it {}", after.revision(), before.revision()));
  for (const Change& change : diff_revisions(access.repository, before, after)) {
    if (says_nothing_new(change)) continue;
    totals_.take(change);
    if (!stat_) print(change, call);
  }
  print_totals(call);
  return ExitCode::ok;
}

}  // namespace

const ToolSpec& diff_tool() {
  static const ToolSpec spec{
      "reverse-snapshot diff",
      {"[OPTIONS] REPO REV [REV]"},
      "Compares two revisions, or one with that before it.",
      {{"reverse diff /mnt/disk/backup latest", "what the last backup brought"},
       {"reverse diff --stat /mnt/disk/backup laptop/home@1w laptop/home", "a week in numbers"}},
      {},
      [] { return std::make_unique<DiffCommand>(); }};
  return spec;
}

}  // namespace reverse
