#include "tools/reverse-verify/report.h"

#include <fmt/format.h>

#include "libcore/base/text.h"
#include "libcore/base/units.h"

namespace reverse {

namespace {

std::string place_of(const Damage& damage) {
  if (damage.revision.empty()) return "no revision needs it";
  if (damage.object.empty()) return printable(damage.revision);
  std::string path = damage.path.empty() ? "." : printable(damage.path);
  std::string place = printable(damage.revision) + ":" + path;
  if (damage.entries > 1)
    place += fmt::format(" and {} after it", counted(damage.entries - 1, "name"));
  return place;
}

std::string coverage_line(const VerifyReport& report) {
  std::string line;
  if (report.never_verified > 0)
    line = fmt::format("{} never verified so far", counted(report.never_verified, "object"));
  if (!report.oldest_verified) return line;
  const std::string since = minute(*report.oldest_verified);
  return line.empty() ? "everything has been verified since " + since
                      : fmt::format("{}; the others have been since {}", line, since);
}

std::string surroundings_line(const VerifyReport& report) {
  std::string line;
  auto add = [&](std::uint64_t count, const std::string& text) {
    if (count > 0) line += (line.empty() ? "" : "; ") + text;
  };
  add(report.in_trash, "in the trash: " + amount(report.in_trash, report.in_trash_bytes, "object"));
  add(report.temporaries,
      "in tmp/: " + amount(report.temporaries, report.temporary_bytes, "upload"));
  add(report.in_bad, "in bad/: " + counted(report.in_bad, "file"));
  add(report.foreign, counted(report.foreign, "foreign name"));
  return line;
}

std::string damage_line(const VerifyReport& report) {
  std::string line;
  auto add = [&](std::uint64_t count, const std::string& text) {
    if (count > 0) line += (line.empty() ? "" : "; ") + text;
  };
  add(report.manifests_damaged, counted(report.manifests_damaged, "revision") + " lost its head");
  add(report.objects_damaged,
      fmt::format("{} damaged or missing, {} affected", counted(report.objects_damaged, "object"),
                  counted(report.paths_damaged, "name")));
  add(report.accepted, counted(report.accepted, "known loss"));
  add(report.elsewhere, counted(report.elsewhere, "object") + " elsewhere, as in a partial copy");
  add(report.not_verified, counted(report.not_verified, "object") + " could not be read");
  return line.empty() ? "no damage found" : line;
}

std::string repair_line(const RepairTally& tally) {
  std::string line;
  auto add = [&](std::uint64_t count, const std::string& text) {
    if (count > 0) line += (line.empty() ? "" : "; ") + text;
  };
  add(tally.healed, "healed " + amount(tally.healed, tally.healed_bytes, "object"));
  add(tally.quarantined, "taken out " + counted(tally.quarantined, "object"));
  add(tally.put_back, "put back " + counted(tally.put_back, "object") + " that proved whole");
  add(tally.left, counted(tally.left, "object") + " still damaged or missing");
  return tally.dry_run && !line.empty() ? "nothing was changed; without -n: " + line : line;
}

JsonLine summary_object(const VerifyReport& report, const VerifyManner& manner, ExitCode code) {
  JsonLine line("summary");
  line.add("revisions", report.revisions)
      .add("pages", report.pages)
      .add("objects", report.objects)
      .add("bytes", report.bytes)
      .add("objects_verified", report.objects_verified)
      .add("bytes_verified", report.bytes_verified)
      .add("objects_damaged", report.objects_damaged)
      .add("paths_damaged", report.paths_damaged)
      .add("manifests_damaged", report.manifests_damaged)
      .add("objects_elsewhere", report.elsewhere)
      .add("accepted_losses", report.accepted)
      .add("objects_not_verified", report.not_verified)
      .add("objects_never_verified", report.never_verified);
  if (report.oldest_verified) line.add("oldest_verified", *report.oldest_verified);
  line.add("in_trash", report.in_trash)
      .add("bytes_in_trash", report.in_trash_bytes)
      .add("uploads", report.temporaries)
      .add("in_bad", report.in_bad)
      .add("foreign", report.foreign)
      .add("where", manner.where)
      .add("proves", manner.proves)
      .add("quick", manner.quick)
      .add("total_duration", manner.took.count());
  if (manner.repaired)
    line.add("objects_healed", manner.repaired->healed)
        .add("bytes_healed", manner.repaired->healed_bytes)
        .add("objects_quarantined", manner.repaired->quarantined)
        .add("objects_put_back", manner.repaired->put_back)
        .add("objects_left_damaged", manner.repaired->left)
        .add("dry_run", manner.repaired->dry_run);
  return std::move(line.add("exit_code", static_cast<int>(code)));
}

}  // namespace

void tell_damage(const Damage& damage, Output& output) {
  if (!output.json()) {
    std::string line = fmt::format("{:<10}  {}", to_string(damage.kind),
                                   damage.object.empty() ? "" : damage.object + "  ");
    line += place_of(damage);
    if (!damage.note.empty()) line += ": " + printable(damage.note);
    if (damage.is_accepted) line += "  (known loss)";
    return output.result(line);
  }
  JsonLine line("damage");
  line.add("object", damage.object).add("kind", to_string(damage.kind)).add("size", damage.size);
  if (!damage.revision.empty()) line.add("revision", damage.revision);
  if (!damage.revision.empty() && !damage.object.empty())
    line.add_path("path", damage.path.empty() ? "." : damage.path);
  if (damage.entries > 0) line.add("entries", damage.entries);
  if (!damage.note.empty()) line.add("note", damage.note);
  if (damage.is_accepted) line.add("accepted", true);
  output.result(line);
}

void tell_report(const VerifyReport& report, const VerifyManner& manner, ExitCode code,
                 Output& output) {
  if (output.json()) return output.result(summary_object(report, manner, code));
  output.summary(fmt::format("{}, {}, {}", counted(report.revisions, "revision"),
                             counted(report.pages, "page"),
                             amount(report.objects, report.bytes, "object")));
  if (!manner.quick)
    output.summary(fmt::format("verified {} in {}",
                               amount(report.objects_verified, report.bytes_verified, "object"),
                               format_duration(manner.took)));
  output.summary(manner.proves);
  for (const std::string& line : {coverage_line(report), surroundings_line(report)})
    if (!line.empty()) output.summary(line);
  output.summary(damage_line(report));
  if (manner.repaired)
    if (std::string line = repair_line(*manner.repaired); !line.empty()) output.summary(line);
}

}  // namespace reverse
