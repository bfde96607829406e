#include "libcore/engine/show.h"

#include <map>

#include "libcore/backend/server_report.h"
#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/cli/repository_access.h"
#include "tools/reverse-snapshot/command.h"
#include "tools/reverse-snapshot/revision_json.h"

namespace reverse {

namespace {

class ShowCommand : public Command {
 public:
  void declare_options(OptionSet& options) override {
    options.heading("What is shown");
    filter_.declare(options);
    options.flag({"yaml", 0, Shown::first},
                 "the whole revision, names and all, as one YAML document", yaml_);
    options.flag({"server"}, "what REPO's server does when it is tried, too", server_);
  }
  ExitCode execute(Invocation& call) override;

 private:
  void show_repository(const ReadAccess& access, Invocation& call);
  void show_set(const std::string& set, const std::vector<std::string>& names,
                const Repository& repository, Invocation& call) const;
  void show_server(Backend& backend, Invocation& call);
  void show_revision(const Head& head, const std::vector<Mark>& marks, Invocation& call);

  FilterOptions filter_;
  bool yaml_ = false, server_ = false;
};

ExitCode ShowCommand::execute(Invocation& call) {
  ReadAccess access = open_for_reading(take_repository(call, RepositoryPlace::first, 0), call);
  if (call.operands.size() > 1) fail(ErrorKind::usage, "one REV is enough");
  if (call.operands.empty() && yaml_) fail(ErrorKind::usage, "--yaml needs a REV");
  if (yaml_ && call.output.json()) fail(ErrorKind::usage, "--yaml and --json exclude each other");
  if (server_ && !call.operands.empty()) fail(ErrorKind::usage, "--server goes without a REV");
  if (call.operands.empty()) {
    show_repository(access, call);
    return ExitCode::ok;
  }
  RevisionPath found =
      resolve(access.repository, call.operands.front(), filter_.filter, call.common);
  if (found.path)
    fail(ErrorKind::usage, "show takes a revision without a PATH (ls and cat look into it)");
  if (yaml_)
    write_flat_yaml(access.repository, found.head,
                    [&](std::string_view text) { call.io.out.write(text); });
  else
    show_revision(found.head, list_marks(*access.backend), call);
  return ExitCode::ok;
}

void ShowCommand::show_repository(const ReadAccess& access, Invocation& call) {
  const RepositoryInfo& info = access.repository.info();
  std::optional<std::uint64_t> free = access.backend->free_bytes();
  if (call.output.json()) {
    JsonLine line("repository");
    line.add("id", info.id)
        .add("format", 1)
        .add("digest", to_string(info.digest))
        .add("created", info.created);
    if (free) line.add("bytes_free", *free);
    call.output.result(line);
  } else {
    call.output.result(
        fmt::format("repository {}\nformat     1, objects named by {}\ncreated    {}", info.id,
                    to_string(info.digest), info.created));
    if (free) call.output.result("free       " + format_bytes(*free));
  }
  if (server_) show_server(*access.backend, call);
  std::map<std::string, std::vector<std::string>> sets;
  std::vector<std::string> soon;
  for (const std::string& revision : matching_revisions(access.repository, filter_.filter)) {
    const std::size_t slash = revision.rfind('/');
    std::vector<std::string>& names = sets[revision.substr(0, slash)];
    if (names.empty()) soon.emplace_back();
    soon.back() = revision;  // the newest so far
    names.push_back(revision.substr(slash + 1));
  }
  access.repository.expect_heads(soon, 0);
  for (const auto& [set, names] : sets) show_set(set, names, access.repository, call);
  if (call.output.json()) call.output.result(JsonLine("summary").add("exit_code", 0));
}

void ShowCommand::show_set(const std::string& set, const std::vector<std::string>& names,
                           const Repository& repository, Invocation& call) const {
  const std::optional<Head> newest = newest_head(repository, set, names);
  if (call.output.json()) {
    JsonLine line("set");
    line.add("set", set).add("revisions", std::uint64_t{names.size()});
    line.add("newest", newest->revision()).add("machine", newest->machine);
    return call.output.result(line.add_path("source", newest->source));
  }
  call.output.result(fmt::format("set        {}: {} of {}, newest {}", printable(set),
                                 counted(names.size(), "revision"), printable(newest->source),
                                 start_of(*newest)));
}

void ShowCommand::show_server(Backend& backend, Invocation& call) {
  auto* server = dynamic_cast<ExaminableServer*>(&backend);
  if (server == nullptr) fail(ErrorKind::usage, "--server: the repository is on this machine");
  const ServerReport report = server->examine_server(layout::kTemporaries);
  if (call.output.json()) {
    JsonLine line("server");
    line.add("host", report.host);
    if (!report.banner.empty()) line.add("banner", report.banner);
    for (const ServerReport::Ability& ability : report.abilities)
      if (ability.works) line.add(ability.key, *ability.works);
    line.add("publishing", report.publishing).add("durability", report.durability);
    return call.output.result(line.add("extensions", report.extensions));
  }
  const auto row = [&](std::string_view key, const std::string& value) {
    call.output.result(fmt::format("{:<10} {}", key, value));
  };
  row("server", printable(report.host));
  if (!report.banner.empty()) row("banner", printable(report.banner));
  row("publishes", report.publishing);
  row("durable", report.durability);
  for (const ServerReport::Ability& ability : report.abilities)
    row(!ability.works ? "  untried" : *ability.works ? "  yes" : "  no", ability.words);
  for (const std::string& extension : report.extensions) row("  offers", printable(extension));
}

void ShowCommand::show_revision(const Head& head, const std::vector<Mark>& marks,
                                Invocation& call) {
  const Mark* mark = find_mark(marks, head.revision());
  if (call.output.json()) {
    call.output.result(revision_json(head, mark));
    return call.output.result(JsonLine("summary").add("exit_code", 0));
  }
  auto row = [&](const char* key, const std::string& value) {
    call.output.result(fmt::format("{:<10} {}", key, value));
  };
  row("revision", printable(head.revision()));
  row("id", head.id);
  row("source", printable(head.source));
  row("started", head.started);
  row("finished", head.finished);
  row("outcome", std::string(to_string(head.outcome)));
  if (mark != nullptr) row("forgotten", minute(mark->made) + " ('reverse unforget' takes it back)");
  row("holds", fmt::format("{} entries, {}, {}", format_count(head.entries),
                           counted(head.files, "file"), format_bytes(head.bytes)));
  row("stored",
      fmt::format("{}, {}", counted(head.new_objects, "new object"), format_bytes(head.new_bytes)));
  if (head.previous) row("previous", *head.previous);
  for (const std::string& tag : head.tags) row("tag", printable(tag));
  row("made by", printable(head.tool));
  for (const NestedRepository& nested : head.repositories)
    row("repository", fmt::format("{} ({})", printable(nested.path), nested.id));
  for (const Problem& problem : head.problems)
    row("problem", fmt::format("{}: {} ({})", printable(problem.path), printable(problem.error),
                               printable(problem.stage)));
  if (head.problem_count > head.problems.size())
    row("problem",
        fmt::format("and {} more", format_count(head.problem_count - head.problems.size())));
}

}  // namespace

const ToolSpec& show_tool() {
  static const ToolSpec spec{
      "reverse-snapshot show",
      {"[OPTIONS] REPO [REV]"},
      "Shows a repository and its sets, or one revision.",
      {{"reverse show /mnt/disk/backup", "the repository and its sets"},
       {"reverse show --yaml /mnt/disk/backup latest", "a revision as one document to grep in"}},
      {},
      [] { return std::make_unique<ShowCommand>(); }};
  return spec;
}

}  // namespace reverse
