#include "tools/reverse-sync/report.h"

#include <fmt/format.h>

#include <chrono>

#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/cli/progress.h"

namespace reverse {

namespace {

/// For programs; frozen.
std::string_view action_of(const SyncedRevision& revision) {
  if (revision.is_published) return "copy";
  if (revision.has_vanished) return "vanished";
  return revision.tree.has(Obstacle::Kind::damaged) ? "damaged" : "hold_back";
}

std::string words_of(const SyncedRevision& revision, bool dry_run) {
  const CopiedTree& tree = revision.tree;
  const std::string lack = counted(tree.obstacle_count, "object");
  if (revision.is_published) {
    const std::string copied = dry_run ? "would be copied" : "copied";
    return tree.has(Obstacle::Kind::postponed) ? copied + " but for " + lack + ": next time" : copied;
  }
  if (revision.has_vanished) return "forgotten there meanwhile";
  if (tree.has(Obstacle::Kind::damaged)) return "not copied: damaged, " + lack;
  if (tree.has(Obstacle::Kind::too_large)) return "not copied: too large, " + lack;
  if (tree.has(Obstacle::Kind::elsewhere)) return "not whole yet: still to come, " + lack;
  return "not whole yet: goes on next time, " + lack;
}

std::string_view kind_of(const Obstacle& obstacle) {
  switch (obstacle.kind) {
    case Obstacle::Kind::damaged:
      return "read";
    case Obstacle::Kind::elsewhere:
      return "elsewhere";
    case Obstacle::Kind::too_large:
      return "write";
    case Obstacle::Kind::postponed:
      return "postponed";
  }
  return "";
}

/// Only what somebody can do something about.
void tell_obstacles(const SyncedRevision& revision, Output& output) {
  if (revision.has_vanished) return;
  for (const Obstacle& obstacle : revision.tree.obstacles) {
    const bool is_expected =
        obstacle.kind == Obstacle::Kind::elsewhere || obstacle.kind == Obstacle::Kind::postponed;
    if (is_expected) continue;
    const std::string path = obstacle.path.empty() ? "." : obstacle.path;
    output.problem(revision.head.revision() + ":" + path, kind_of(obstacle), obstacle.reason);
  }
}

JsonLine summary_object(const SyncReport& report, bool dry_run, double seconds, ExitCode code) {
  JsonLine line("summary");
  line.add("revisions_copied", report.copied)
      .add("revisions_present", report.present)
      .add("revisions_forgotten", report.forgotten)
      .add("revisions_damaged", report.damaged)
      .add("revisions_held_back", report.held_back)
      .add("revisions_unfinished", report.unfinished)
      .add("objects_copied", report.objects)
      .add("bytes_sent", report.bytes - std::min(report.bytes, report.went_on.bytes))
      .add("objects_resumed", report.went_on.files)
      .add("bytes_resumed", report.went_on.bytes)
      .add("total_duration", seconds)
      .add("dry_run", dry_run);
  return std::move(line.add("exit_code", static_cast<int>(code)));
}

void tell_report(const SyncReport& report, bool dry_run, std::chrono::duration<double> took,
                 ExitCode code, Output& output) {
  if (output.json()) return output.result(summary_object(report, dry_run, took.count(), code));
  std::string line = fmt::format("{} {}", counted(report.copied, "revision"),
                                 dry_run ? "would be copied" : "copied");
  auto add = [&](std::uint64_t count, const char* what) {
    if (count > 0) line += fmt::format(", {} {}", format_count(count), what);
  };
  add(report.unfinished, "of them in part");
  add(report.present, "there already");
  add(report.forgotten, "forgotten");
  add(report.damaged, "damaged");
  add(report.held_back, "not whole yet");
  line += " · " + amount(report.objects, report.bytes, "object");
  if (!dry_run) line += " sent in " + format_duration(took);
  if (report.went_on.files > 0) line += " · " + amount(report.went_on);
  output.summary(line);
}

/// Nothing of the source was left to look at: most likely a filter is misspelt.
bool fits_nothing(const SyncSelection& selection, const SyncReport& report) {
  const RevisionFilter& filter = selection.filter;
  const bool has_filter = !filter.sets.empty() || !filter.hosts.empty() || !filter.tags.empty();
  return has_filter && !selection.since && report.copied + report.present + report.forgotten +
                           report.damaged + report.held_back + report.unfinished == 0;
}

}  // namespace

void tell_revision(const SyncedRevision& revision, bool dry_run, Output& output) {
  tell_obstacles(revision, output);
  const CopiedTree& tree = revision.tree;
  if (output.json())
    return output.result(JsonLine("revision")
                             .add("revision", revision.head.revision())
                             .add("id", revision.head.id)
                             .add("action", action_of(revision))
                             .add("objects_copied", tree.objects)
                             .add("bytes_sent", tree.bytes)
                             .add("objects_lacking", tree.obstacle_count));
  output.summary(fmt::format("{}  {}  {}", printable(revision.head.revision()),
                             words_of(revision, dry_run), amount(tree.objects, tree.bytes, "object")));
}

ExitCode sync_and_tell(const SyncDeps& deps, const SyncOptions& options, CliObserver& observer,
                       Invocation& call) {
  auto started = std::chrono::steady_clock::now();
  SyncReport report;
  {
    ProgressPrinter progress(call.io, call.output, call.common,
                             [&] { return observer.snapshot("sync", "copied"); });
    report = run_sync(deps, options);
  }
  call.output.end_problems("--json");
  const ExitCode code = report.damaged > 0     ? ExitCode::damage
                        : report.held_back + report.unfinished > 0 ? ExitCode::incomplete
                                                                   : ExitCode::ok;
  if (fits_nothing(options.selection, report) && !deps.source.all_revisions().empty())
    call.output.warning("no revision fits --set, --host and --tag: nothing is copied",
                        deps.source.backend().display(""));
  tell_report(report, options.dry_run, std::chrono::steady_clock::now() - started, code,
              call.output);
  return code;
}

}  // namespace reverse
