#include "libcore/engine/view.h"

#include <tuple>

#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/cli/repository_access.h"
#include "libcore/engine/view_site.h"
#include "tools/reverse-snapshot/command.h"

namespace reverse {

namespace {

std::uint32_t mode_value(const std::string& text) {
  std::uint32_t mode = 0;
  for (char c : text) mode = mode << 3 | static_cast<std::uint32_t>(c - '0');
  if (text.empty() || text.size() > 4 ||
      text.find_first_not_of("01234567") != std::string::npos || mode > 0777 || (mode & 0700) != 0700)
    fail(ErrorKind::usage, "'{}' does not do: octal digits that leave the owner all (0755)",
         printable(text));
  return mode;
}

class ViewCommand : public Command {
 public:
  void declare_options(OptionSet& options) override;
  ExitCode execute(Invocation& call) override;

 private:
  void check_words(const Invocation& call) const;
  ExitCode remove(Invocation& call) const;
  ExitCode finish(const ViewReport& report, const std::string& what, Invocation& call) const;

  FilterOptions filter_;
  bool update_ = false, remove_ = false, all_ = false;
  std::uint32_t mode_ = 0700;
};

void ViewCommand::declare_options(OptionSet& options) {
  options.heading("Views");
  options.flag({"update", 0, Shown::first}, "take the view at DIR to REV, by the difference",
               update_);
  options.flag({"remove", 0, Shown::first}, "remove the view at DIR (no REPO is needed)", remove_);
  options.flag({"all", 0, Shown::first},
               "keep DIR/HOST/LABEL/TIME for every revision, and 'latest'", all_);
  options.value({"mode"}, "MODE", "of DIR itself (0700)",
                [this](const std::string& text) { mode_ = mode_value(text); });
  options.heading("Which revision");
  filter_.declare(options);
}

void ViewCommand::check_words(const Invocation& call) const {
  if (update_ + remove_ + all_ > 1)
    fail(ErrorKind::usage, "--update, --remove and --all exclude each other");
  const std::size_t wanted = remove_ || all_ ? 1 : 2;
  if (call.operands.size() != wanted)
    fail(ErrorKind::usage, "{} needed", wanted == 1 ? "one DIR is" : "REV and DIR are");
}

/// Where DIR is, which is written as a location on REPO's machine ("nas:/views/x").
Location directory_location(const std::string& text) {
  Location location = parse_location(text);
  if (!location.is_remote()) {
    location.path = absolute_path(location.path);
  } else if (location.path.empty()) {
    fail(ErrorKind::usage, "'{}' names no directory", printable(text));
  }
  return location;
}

void check_machine(const Location& repository, const Location& directory) {
  if (std::tie(repository.host, repository.user, repository.port) ==
      std::tie(directory.host, directory.user, directory.port))
    return;
  fail(ErrorKind::usage,
       "a view lies on the repository's machine: '{}' does not, with '{}' ('reverse restore' makes "
       "copies elsewhere)",
       printable(directory.text()), printable(repository.text()));
}

ExitCode ViewCommand::finish(const ViewReport& report, const std::string& what,
                             Invocation& call) const {
  const ExitCode code = report.damaged > 0 ? ExitCode::damage : ExitCode::ok;
  if (call.output.json()) {
    JsonLine line("summary");
    line.add("files", report.files).add("directories", report.directories);
    line.add("symlinks", report.symlinks).add("copied", report.copied);
    line.add("removed", report.removed).add("left_out", report.left_out);
    line.add("damaged", report.damaged).add("cloned", report.is_cloned);
    call.output.result(line.add("exit_code", static_cast<int>(code)));
    return code;
  }
  call.output.end_problems("reverse-verify");
  std::string text = fmt::format("{}: {} made in {} {}", what, counted(report.files, "file"),
                                 format_count(report.directories),
                                 report.directories == 1 ? "directory" : "directories");
  if (report.removed > 0) text += fmt::format(", {} removed", counted(report.removed, "name"));
  call.output.summary(text);
  if (report.left_out > 0)
    call.output.note(fmt::format("{} left out: devices, sockets, FIFOs, or never read",
                                 counted(report.left_out, "name")));
  return code;
}

ExitCode ViewCommand::remove(Invocation& call) const {
  if (call.common.repository) fail(ErrorKind::usage, "--remove takes DIR alone");
  check_words(call);
  const Location directory = directory_location(call.operands.front());
  if (directory.is_remote()) {
    const std::unique_ptr<Backend> backend = open_backend({directory.host, directory.user, directory.port, ""}, call);
    remove_view(*open_remote_views(*backend), directory.path);
  } else {
    remove_view(*open_local_views(""), directory.path);
  }
  if (call.output.json())
    call.output.result(JsonLine("summary").add("exit_code", 0));
  else
    call.output.summary(fmt::format("removed {}", printable(directory.text())));
  return ExitCode::ok;
}

ExitCode ViewCommand::execute(Invocation& call) {
  if (remove_) return remove(call);
  const std::string repository_text =
      take_repository(call, RepositoryPlace::first, all_ ? 1 : 2);
  check_words(call);
  const Location directory = directory_location(call.operands.back());
  const Location location = parse_location(repository_text);
  check_machine(location, directory);
  ReadAccess access = open_for_reading(repository_text, call);
  const std::unique_ptr<ViewSite> site = location.is_remote()
                                             ? open_remote_views(*access.backend)
                                             : open_local_views(repository_name(location));
  const ViewSource source{access.repository, *site};
  auto problem = [&](const std::string& path, const std::string& message) {
    call.output.problem(path, "link", message);
  };
  if (all_) {
    auto changed = [&](std::string_view revision, bool is_made) {
      if (call.output.verbosity() > 0)
        call.output.note(fmt::format("{} {}", is_made ? "made" : "removed", printable(std::string(revision))));
    };
    return finish(update_all_views(source, directory.path, changed, problem, call.io.stop),
                  printable(directory.text()), call);
  }
  RevisionPath found =
      resolve(access.repository, call.operands.front(), filter_.filter, call.common);
  if (found.path)
    fail(ErrorKind::usage, "a view is of a whole revision, without a PATH (restore takes one)");
  const ViewReport report =
      update_ ? update_view(source, found.head, directory.path, problem, call.io.stop)
              : make_view(source, found.head, directory.path, mode_, problem, call.io.stop);
  return finish(report, printable(found.head.revision()), call);
}

}  // namespace

const ToolSpec& view_tool() {
  static const ToolSpec spec{
      "reverse-snapshot view",
      {"[OPTIONS] REPO REV DIR", "--update REPO REV DIR", "--all REPO DIR", "--remove DIR"},
      "Shows a revision as a read-only tree of hard links.",
      {{"reverse view /mnt/disk/backup laptop/home /mnt/disk/view", "to be looked at with any program"},
       {"reverse view -q --all /mnt/disk/backup /mnt/disk/views", "from cron: one for each revision"}},
      {},
      [] { return std::make_unique<ViewCommand>(); }};
  return spec;
}

}  // namespace reverse
