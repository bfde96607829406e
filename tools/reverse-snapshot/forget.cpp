#include "libcore/engine/forget.h"

#include <algorithm>

#include "libcore/base/sorted.h"
#include "libcore/base/text.h"
#include "libcore/cli/repository_access.h"
#include "tools/reverse-snapshot/command.h"

namespace reverse {

namespace {

/// What forget and unforget share: named revisions in, one line for each out.
class MarkCommand : public Command {
 public:
  void declare_options(OptionSet& options) override {
    options.heading("Which revisions are meant");
    filter_.declare(options);
  }
  ExitCode execute(Invocation& call) override;

 protected:
  /// Does it to all of `revisions`, each there once; returns those for which it changed anything,
  /// sorted.
  virtual std::vector<std::string> change(const Repository& repository,
                                          const std::vector<std::string>& revisions,
                                          const Invocation& call) = 0;
  /// What a revision is then: "forgotten".
  virtual std::string_view state() const = 0;
  /// What more there is to know, after a change.
  virtual std::string advice() const = 0;
  /// "forget" or "keep".
  virtual std::string_view action() const = 0;

 private:
  std::vector<std::string> named_revisions(const Repository& repository,
                                           const Invocation& call) const;
  void tell(const std::vector<std::string>& revisions, const std::vector<std::string>& changed,
            Invocation& call) const;

  FilterOptions filter_;
};

/// All are found before anything is done to the first.
std::vector<std::string> MarkCommand::named_revisions(const Repository& repository,
                                                      const Invocation& call) const {
  std::vector<std::string> revisions;
  for (const std::string& words : call.operands) {
    RevisionPath found = resolve(repository, words, filter_.filter, call.common);
    if (found.path) fail(ErrorKind::usage, "'{}': a whole revision is needed", printable(words));
    std::string name = found.head.revision();
    if (std::find(revisions.begin(), revisions.end(), name) == revisions.end())
      revisions.push_back(std::move(name));
  }
  return revisions;
}

ExitCode MarkCommand::execute(Invocation& call) {
  Location location = parse_location(take_repository(call, RepositoryPlace::first, 1));
  std::unique_ptr<Backend> backend = open_backend(location, call);
  Repository repository = Repository::open(*backend, true);
  std::vector<std::string> revisions = named_revisions(repository, call);
  tell(revisions, change(repository, revisions, call), call);
  return ExitCode::ok;
}

void MarkCommand::tell(const std::vector<std::string>& revisions,
                       const std::vector<std::string>& changed, Invocation& call) const {
  for (const std::string& revision : revisions) {
    bool is_changed = holds(changed, revision);
    if (call.output.json())
      call.output.result(JsonLine("retention")
                             .add("revision", revision)
                             .add("action", action())
                             .add("changed", is_changed));
    else
      call.output.summary(fmt::format("{}  {}", printable(revision),
                                      !is_changed           ? fmt::format("is {} already", state())
                                      : call.common.dry_run ? fmt::format("would be {}", state())
                                                            : std::string(state())));
  }
  if (call.output.json())
    call.output.result(JsonLine("summary")
                           .add("changed", std::uint64_t{changed.size()})
                           .add("dry_run", call.common.dry_run)
                           .add("exit_code", 0));
  else if (!changed.empty() && !call.common.dry_run && !advice().empty())
    call.output.note(advice());
}

class ForgetCommand : public MarkCommand {
 protected:
  std::vector<std::string> change(const Repository& repository,
                                  const std::vector<std::string>& revisions,
                                  const Invocation& call) override {
    return forget_revisions(repository, revisions, call.common.allow, call.common.dry_run);
  }
  std::string_view state() const override { return "forgotten"; }
  std::string_view action() const override { return "forget"; }
  std::string advice() const override {
    return "until reverse-gc lets it go, a week later if not told otherwise, 'reverse unforget' "
           "takes it back";
  }
};

class UnforgetCommand : public MarkCommand {
 protected:
  std::vector<std::string> change(const Repository& repository,
                                  const std::vector<std::string>& revisions,
                                  const Invocation& call) override {
    std::vector<std::string> changed;
    for (const std::string& revision : revisions)
      if (unforget_revision(repository, revision, call.common.dry_run)) changed.push_back(revision);
    std::sort(changed.begin(), changed.end());
    return changed;
  }
  std::string_view state() const override { return "kept"; }
  std::string_view action() const override { return "keep"; }
  std::string advice() const override { return ""; }
};

}  // namespace

const ToolSpec& forget_tool() {
  static const ToolSpec spec{
      "reverse-snapshot forget",
      {"[OPTIONS] REPO REV..."},
      "Marks revisions that reverse-gc may remove once its grace has passed.",
      {{"reverse forget /mnt/disk/backup laptop/home~3", "the fourth newest of a set"},
       {"reverse forget -n /mnt/disk/backup laptop/home~3", "says which revision that is"}},
      {.dry_run = true, .guards = true},
      [] { return std::make_unique<ForgetCommand>(); }};
  return spec;
}

const ToolSpec& unforget_tool() {
  static const ToolSpec spec{
      "reverse-snapshot unforget",
      {"[OPTIONS] REPO REV..."},
      "Takes back what reverse-gc or forget marked, as long as it is there.",
      {{"reverse unforget /mnt/disk/backup laptop/home~3", "the fourth newest of a set"},
       {"reverse unforget /mnt/disk/backup laptop/home@2014-01-20", "the newest of that day"}},
      {.dry_run = true},
      [] { return std::make_unique<UnforgetCommand>(); }};
  return spec;
}

}  // namespace reverse
