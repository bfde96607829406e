#include "tools/reverse-verify/repair.h"

#include <algorithm>

#include "libcore/base/text.h"
#include "libcore/cli/cli_observer.h"
#include "libcore/cli/progress.h"
#include "libcore/cli/repository_access.h"
#include "libcore/engine/quarantine.h"

namespace reverse {

namespace {

struct Wording {
  std::string_view word, json, note;
};

Wording wording(Repair::Action action) {
  switch (action) {
    case Repair::Action::healed:
      return {"healed", "healed", "from "};
    case Repair::Action::quarantined:
      return {"taken out", "quarantined", "to "};
    case Repair::Action::put_back:
      return {"put back", "put_back", "it is whole, in "};
    case Repair::Action::lost:
      return {"not found", "lost", ""};
  }
  return {};
}

void tell_repair(const Repair& repair, bool dry_run, Output& output) {
  const Wording words = wording(repair.action);
  if (output.json()) {
    JsonLine line("repair");
    line.add("action", words.json).add("object", repair.object).add("size", repair.size);
    if (!repair.place.empty()) line.add("place", repair.place);
    if (dry_run) line.add("dry_run", true);
    return output.result(line);
  }
  std::string line = fmt::format("{:<10}  {}", words.word, repair.object);
  if (!repair.place.empty()) line += fmt::format("  {}{}", words.note, repair.place);
  output.result(line);
}

}  // namespace

void RepairPlan::declare(OptionSet& options) {
  options.heading("After damage");
  options.value({"heal-from", 0, Shown::first}, "REPO_OR_DIR",
                "store again what is damaged, from a repository or any files (repeatable)",
                heal_from_);
  options.flag({"quarantine"},
               "take damaged objects out, so that the next backup stores them again", quarantine_);
}

void RepairPlan::open_sources(const Repository& repository, const std::string& location,
                              Invocation& call) {
  tally_.dry_run = call.common.dry_run;
  for (const std::string& text : heal_from_) open_source(text, repository, location, call);
}

void RepairPlan::open_source(const std::string& text, const Repository& repository,
                             const std::string& location, Invocation& call) {
  const Location place = parse_location(text);
  if (repository_name(place) == repository_name(parse_location(location)))
    fail(ErrorKind::usage, "--heal-from '{}': that is the damaged repository itself",
         printable(text));
  std::unique_ptr<Backend> backend = open_backend(place, call);
  const LocationState state = look_at_location(*backend);
  if (state == LocationState::absent)
    fail(ErrorKind::not_found, "--heal-from '{}': there is no such directory", printable(text));
  const DigestKind digest = repository.info().digest;
  if (state == LocationState::repository) {
    Repository opened = Repository::open(*backend, false);
    repositories_.push_back(
        std::make_unique<Repositories>(Repositories{std::move(backend), std::move(opened)}));
    sources_.push_back(repository_source(repositories_.back()->repository, digest));
  } else if (place.is_remote()) {
    fail(ErrorKind::no_repository,
         "--heal-from '{}': on another host only a repository serves, and this is none; mount the "
         "directory (sshfs) and name it here",
         printable(text));
  } else {
    sources_.push_back(directory_source(place.path));
  }
}

std::optional<std::string> RepairPlan::page(const Sums& sums) {
  for (const std::unique_ptr<HealSource>& source : sources_)
    if (std::optional<std::string> text = source->page(sums)) return text;
  return std::nullopt;
}

void RepairPlan::run(const Repository& repository, const VerifyReport& found,
                     const std::set<std::string>& accepted_losses, Invocation& call) {
  std::vector<Finding> left = found.findings;
  if (!heal_from_.empty()) left = heal(repository, left, call);
  std::erase_if(left, [&](const Finding& finding) {
    return accepted_losses.count(to_string(finding.name(repository.info().digest))) > 0;
  });
  tally_.left = left.size();
  if (!quarantine_ || left.empty()) return;
  const bool dry_run = tally_.dry_run;
  QuarantineReport report = run_quarantine(
      repository, left, {found.objects, call.common.allow, dry_run},
      [&](const Repair& repair) { tell_repair(repair, dry_run, call.output); }, call.io.stop);
  tally_.quarantined = report.quarantined;
  tally_.put_back = report.put_back;
}

std::vector<Finding> RepairPlan::heal(const Repository& repository,
                                      const std::vector<Finding>& findings, Invocation& call) {
  if (findings.empty()) return {};
  CliObserver observer(call.output, false);
  ProgressPrinter progress(call.io, call.output, call.common,
                           [&] { return observer.snapshot("heal", "searched"); });
  HealReport report =
      run_heal({repository, observer,
                [&](const Repair& repair) { tell_repair(repair, tally_.dry_run, call.output); },
                call.io.stop, tally_.dry_run},
               findings, sources_);
  tally_.healed = report.healed;
  tally_.healed_bytes = report.healed_bytes;
  return std::move(report.left);
}

}  // namespace reverse
