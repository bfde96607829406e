#include "tools/reverse-gc/report.h"

#include <fmt/format.h>

#include "libcore/base/text.h"
#include "libcore/base/units.h"

namespace reverse {

namespace {

void tell_verdict(const Verdict& verdict, Table& table, Output& output) {
  const bool kept = !verdict.reasons.empty();
  if (!output.json())
    return table.row({kept ? "keep" : "forget", printable(verdict.revision),
                      printable(fmt::format("{}", fmt::join(verdict.reasons, "; ")))});
  output.result(JsonLine("retention")
                    .add("revision", verdict.revision)
                    .add("action", kept ? "keep" : "forget")
                    .add("reasons", std::span<const std::string>(verdict.reasons)));
}

void tell_mark(const Mark& mark, Table& table, Output& output) {
  if (!output.json())
    return table.row({"forget", printable(mark.revision), "forgotten since " + minute(mark.made)});
  output.result(JsonLine("retention")
                    .add("revision", mark.revision)
                    .add("action", "forget")
                    .add("reasons", std::span<const std::string>())
                    .add("forgotten_since", mark.made));
}

/// "3 revisions stay; 1 of them is forgotten and can go from 2014-02-01 11:00 on"
std::string revisions_line(const GcReport& report, bool dry_run) {
  std::string line = counted(report.revisions, "revision") + (dry_run ? " would stay"
                                                              : report.revisions == 1 ? " stays"
                                                                                      : " stay");
  if (report.marked == 0) return line;
  return fmt::format("{}; {} of them forgotten{}, and the first can go from {} on", line,
                     format_count(report.marked), dry_run ? " then" : "",
                     minute(*report.next_expiry));
}

std::string objects_line(const GcReport& report, bool dry_run) {
  std::string line = fmt::format("{} {}taken out, {} put back, {} deleted",
                                 amount(report.taken_out, report.taken_out_bytes, "object"),
                                 dry_run ? "would be " : "", format_count(report.put_back),
                                 amount(report.deleted, report.deleted_bytes, "object"));
  if (report.temporaries == 0) return line;
  return fmt::format("{}, and {}", line,
                     amount(report.temporaries, report.temporary_bytes, "abandoned upload"));
}

std::string trash_line(const GcReport& report, bool dry_run) {
  if (report.in_trash == 0) return dry_run ? "the trash would be empty" : "the trash is empty";
  return fmt::format("in the trash{}: {}, until {}", dry_run ? " then" : "",
                     amount(report.in_trash, report.in_trash_bytes, "object"),
                     minute(*report.trash_until));
}

std::string gate_line(const GcReport& report, bool dry_run) {
  if (!report.gate_closed) return dry_run ? "the gate would stay open" : "the gate stayed open";
  return fmt::format("the gate {} closed: backups under way check once more by themselves",
                     dry_run ? "would be" : "was");
}

JsonLine summary_object(const GcReport& report, bool dry_run, ExitCode code) {
  JsonLine line("summary");
  line.add("revisions", report.revisions)
      .add("forgotten", std::uint64_t{report.forgotten.size()})
      .add("waiting", report.marked)
      .add("gone", std::span<const std::string>(report.expired));
  if (report.next_expiry) line.add("next_expiry", *report.next_expiry);
  line.add("pages_read", report.distinct_pages)
      .add("objects", report.objects)
      .add("objects_referred_to", report.live_objects)
      .add("unreferenced_kept", report.unreferenced_kept)
      .add("taken_out", report.taken_out)
      .add("bytes_taken_out", report.taken_out_bytes)
      .add("put_back", report.put_back)
      .add("bytes_put_back", report.put_back_bytes)
      .add("damaged", report.damaged)
      .add("deleted", report.deleted)
      .add("uploads_deleted", report.temporaries)
      .add("bytes_freed", report.deleted_bytes + report.temporary_bytes)
      .add("in_trash", report.in_trash)
      .add("bytes_in_trash", report.in_trash_bytes);
  if (report.trash_until) line.add("trash_until", *report.trash_until);
  line.add("gate_closed", report.gate_closed).add("dry_run", dry_run);
  return std::move(line.add("exit_code", static_cast<int>(code)));
}

}  // namespace

void tell_rules(const RuledRevisions& ruled, Output& output) {
  Table table({Table::Align::left, Table::Align::left, Table::Align::left});
  for (const Verdict& verdict : ruled.plan.verdicts) tell_verdict(verdict, table, output);
  for (const Mark& mark : ruled.marked) tell_mark(mark, table, output);
  if (!table.empty()) output.summary(table.text());
  for (const CutOff& cut_off : ruled.plan.cut_offs)
    if (!output.json())
      output.summary(fmt::format("{}{}{}: what is later than {}", cut_off.rule,
                                 cut_off.group.empty() ? "" : " of ", printable(cut_off.group),
                                 to_display_local(cut_off.time)));
}

void tell_report(const GcReport& report, bool dry_run, ExitCode code, Output& output) {
  if (output.json()) return output.result(summary_object(report, dry_run, code));
  for (const std::string& revision : report.expired)
    output.summary((dry_run ? "would go  " : "gone    ") + printable(revision));
  output.summary(revisions_line(report, dry_run));
  output.summary(objects_line(report, dry_run));
  output.summary(trash_line(report, dry_run));
  output.summary(gate_line(report, dry_run));
}

}  // namespace reverse
