#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/cli/repository_access.h"
#include "libcore/engine/show.h"
#include "tools/reverse-snapshot/command.h"
#include "tools/reverse-snapshot/node_json.h"

namespace reverse {

namespace {

class LsCommand : public Command {
 public:
  void declare_options(OptionSet& options) override {
    options.heading("What is listed");
    filter_.declare(options);
    options.flag({"recursive", 'R', Shown::first}, "everything below too", recursive_);
    options.flag({"long", 'l', Shown::first}, "mode, owner, size and time too", long_);
  }

  ExitCode execute(Invocation& call) override {
    ReadAccess access = open_for_reading(take_repository(call, RepositoryPlace::first, 1), call);
    if (call.operands.empty())
      fail(ErrorKind::usage, "REV is missing: latest, HOST/LABEL, or what 'reverse list' shows");
    for (const std::string& words : call.operands) {
      RevisionPath found = resolve(access.repository, words, filter_.filter, call.common);
      visit_entries(access.repository, found.head, found.path.value_or(""), recursive_,
                    [&](const Entry& entry) {
                      throw_if_stopped(call.io.stop);
                      // What is listed is the content of a directory, never the directory.
                      bool is_top = entry.path == found.path.value_or("");
                      if (is_top && entry.type == FileType::directory) return;
                      print(entry, found.head, call);
                    });
    }
    if (call.output.json()) call.output.result(JsonLine("summary").add("exit_code", 0));
    return ExitCode::ok;
  }

 private:
  void print(const Entry& entry, const Head& head, Invocation& call);

  FilterOptions filter_;
  bool recursive_ = false, long_ = false;
};

void LsCommand::print(const Entry& entry, const Head& head, Invocation& call) {
  if (call.output.json()) return call.output.result(node_json(entry, head.revision()));
  std::string path = entry.path.empty() ? "." : entry.path;
  if (!long_ || call.common.print0) return call.output.result_name(path);
  auto [user, group] = owner_names(entry);
  std::string line = fmt::format("{} {:<8} {:<8} {:>12} {} {}", permissions(entry), user, group,
                                 format_count(entry.size),
                                 minute(entry.mtime), printable(path));
  if (entry.type == FileType::symlink) line += " -> " + printable(entry.target);
  if (!entry.error.empty()) line += fmt::format("  (unreadable: {})", printable(entry.error));
  if (entry.changed) line += "  (changed while read)";
  call.output.result(line);
}

class CatCommand : public Command {
 public:
  void declare_options(OptionSet& options) override {
    options.heading("Which revision");
    filter_.declare(options);
  }

  ExitCode execute(Invocation& call) override {
    ReadAccess access = open_for_reading(take_repository(call, RepositoryPlace::first, 1), call);
    if (call.operands.empty()) fail(ErrorKind::usage, "REV:PATH is missing");
    if (call.output.json())
      fail(ErrorKind::usage, "what cat writes is content: it does not go with --json");
    for (const std::string& words : call.operands) {
      RevisionPath found = resolve(access.repository, words, filter_.filter, call.common);
      if (!found.path) fail(ErrorKind::usage, "'{}': which file? Write REV:PATH", printable(words));
      write_file_content(access.repository, found.head, *found.path, call.io.out);
    }
    return ExitCode::ok;
  }

 private:
  FilterOptions filter_;
};

}  // namespace

const ToolSpec& ls_tool() {
  static const ToolSpec spec{
      "reverse-snapshot ls",
      {"[OPTIONS] REPO REV[:PATH]..."},
      "Lists what a revision holds.",
      {{"reverse ls /mnt/disk/backup latest", "the top of the newest revision"},
       {"reverse ls -lR /mnt/disk/backup latest:docs", "everything below docs, in detail"}},
      {.print0 = true},
      [] { return std::make_unique<LsCommand>(); }};
  return spec;
}

const ToolSpec& cat_tool() {
  static const ToolSpec spec{"reverse-snapshot cat",
                             {"[OPTIONS] REPO REV:PATH..."},
                             "Writes files of a revision to standard output.",
                             {{"reverse cat /mnt/disk/backup latest:docs/a.txt", "one file"},
                              {"reverse cat /mnt/disk/backup laptop/home@2014-01:notes | head",
                               "as it was at the end of January 2014"}},
                             {},
                             [] { return std::make_unique<CatCommand>(); }};
  return spec;
}

}  // namespace reverse
