#include "libcore/engine/stats.h"

#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/cli/repository_access.h"
#include "tools/reverse-snapshot/command.h"

namespace reverse {

namespace {

class StatsCommand : public Command {
 public:
  void declare_options(OptionSet& options) override {
    options.heading("What is counted");
    filter_.declare(options);
  }
  ExitCode execute(Invocation& call) override;

 private:
  void print(const RepositoryStats& stats, Invocation& call) const;
  void print_set(const SetStats& set, Invocation& call) const;
  void print_json(const RepositoryStats& stats, ExitCode code, Invocation& call) const;

  FilterOptions filter_;
};

void StatsCommand::print_set(const SetStats& set, Invocation& call) const {
  call.output.result(fmt::format(
      "{}\n  {}, {} in all their files; different contents: {}, {}", printable(set.name),
      counted(set.revisions.size(), "revision"), format_bytes(set.logical_bytes),
      format_count(set.unique.contents), format_bytes(set.unique.bytes)));
  Table table({Table::Align::left, Table::Align::right, Table::Align::right});
  for (const RevisionStats& revision : set.revisions)
    table.row({"  " + printable(revision.name.substr(revision.name.rfind('/') + 1)),
               "alone " + format_bytes(revision.alone.bytes),
               revision.arrived ? "changed " + format_bytes(revision.arrived->bytes) : ""});
  call.output.result(table.text());
  if (const RevisionStats* largest = set.largest_churn())
    call.output.result(fmt::format("  most changed: {}, {} in {}",
                                   printable(largest->name.substr(largest->name.rfind('/') + 1)),
                                   format_bytes(largest->arrived->bytes),
                                   counted(largest->arrived->contents, "file")));
}

void StatsCommand::print(const RepositoryStats& stats, Invocation& call) const {
  for (const SetStats& set : stats.sets) print_set(set, call);
  if (stats.sets.empty()) return call.output.note("no revisions");
  call.output.result(fmt::format("all sets\n  {} in all files of all revisions; different "
                                 "contents: {}, {}",
                                 format_bytes(stats.logical_bytes),
                                 format_count(stats.unique.contents),
                                 format_bytes(stats.unique.bytes)));
}

void StatsCommand::print_json(const RepositoryStats& stats, ExitCode code,
                              Invocation& call) const {
  for (const SetStats& set : stats.sets) {
    for (const RevisionStats& revision : set.revisions) {
      JsonLine line("revision_stats");
      line.add("revision", revision.name).add("set", set.name);
      line.add("logical_bytes", revision.logical_bytes);
      line.add("alone_bytes", revision.alone.bytes).add("alone_contents", revision.alone.contents);
      if (revision.arrived)
        line.add("changed_bytes", revision.arrived->bytes)
            .add("changed_files", revision.arrived->contents);
      call.output.result(line);
    }
    JsonLine line("set_stats");
    line.add("set", set.name).add("revisions", std::uint64_t{set.revisions.size()});
    line.add("logical_bytes", set.logical_bytes);
    line.add("unique_bytes", set.unique.bytes).add("unique_contents", set.unique.contents);
    if (const RevisionStats* largest = set.largest_churn())
      line.add("most_changed", largest->name).add("most_changed_bytes", largest->arrived->bytes);
    call.output.result(line);
  }
  JsonLine line("summary");
  line.add("logical_bytes", stats.logical_bytes).add("unique_bytes", stats.unique.bytes);
  line.add("unique_contents", stats.unique.contents);
  call.output.result(line.add("exit_code", static_cast<int>(code)));
}

ExitCode StatsCommand::execute(Invocation& call) {
  ReadAccess access = open_for_reading(take_repository(call, RepositoryPlace::first, 0), call);
  if (!filter_.filter.tags.empty())
    fail(ErrorKind::usage, "stats counts whole sets: --tag does not go with it");
  add_sets(access.repository, call.operands, filter_.filter);
  std::unique_ptr<History> history = open_history(access.repository, call);
  bool damage = false;
  // What a revision alone holds depends on all sets.
  update_history(
      access.repository, *history, {},
      [&](const std::string& revision, const Error& error) {
        call.output.problem(revision, "read", error.what());
        damage = true;
      },
      call.io.stop);
  const RepositoryStats stats = make_stats(*history, filter_.filter);
  ExitCode code = damage ? ExitCode::damage : ExitCode::ok;
  call.output.json() ? print_json(stats, code, call) : print(stats, call);
  return code;
}

}  // namespace

const ToolSpec& stats_tool() {
  static const ToolSpec spec{
      "reverse-snapshot stats",
      {"[OPTIONS] REPO [SET...]"},
      "Tells what takes how much space.",
      {{"reverse stats /mnt/disk/backup", "every set, and all together"},
       {"reverse stats /mnt/disk/backup laptop/home", "what each of its revisions would free"}},
      {},
      [] { return std::make_unique<StatsCommand>(); }};
  return spec;
}

}  // namespace reverse
