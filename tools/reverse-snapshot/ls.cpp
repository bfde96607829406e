#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/cli/repository_access.h"
#include "libcore/engine/show.h"
#include "tools/reverse-snapshot/command.h"

namespace reverse {

namespace {

std::string_view type_word(FileType type) {
  switch (type) {
    case FileType::file:
      return "file";
    case FileType::directory:
      return "dir";
    case FileType::symlink:
      return "symlink";
    case FileType::fifo:
      return "fifo";
    case FileType::socket:
      return "socket";
    case FileType::character_device:
      return "char";
    case FileType::block_device:
      return "block";
    case FileType::repository:
      return "repository";
  }
  return "?";
}

/// "-rwsr-xr-x", as ls has it.
std::string permissions(const Entry& entry) {
  static constexpr char kTypes[] = "-dlpscbd";
  std::string text(1, kTypes[static_cast<int>(entry.type)]);
  for (int shift = 6; shift >= 0; shift -= 3) {
    std::uint32_t bits = entry.mode >> shift & 7;
    bool special = (entry.mode & (shift == 6 ? 04000u : shift == 3 ? 02000u : 01000u)) != 0;
    char letter = shift == 0 ? 't' : 's';
    text += (bits & 4) != 0 ? 'r' : '-';
    text += (bits & 2) != 0 ? 'w' : '-';
    bool runs = (bits & 1) != 0;
    text += special ? (runs ? letter : static_cast<char>(letter - 'a' + 'A')) : (runs ? 'x' : '-');
  }
  return text;
}

std::pair<std::string, std::string> owner_names(const Entry& entry) {
  std::size_t colon = entry.owner.find(':');
  std::string user = entry.owner.substr(0, colon);
  std::string group = colon == std::string::npos ? "" : entry.owner.substr(colon + 1);
  return {user.empty() ? std::to_string(entry.uid) : user,
          group.empty() ? std::to_string(entry.gid) : group};
}

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
  void print_json(const Entry& entry, const Head& head, Invocation& call);

  FilterOptions filter_;
  bool recursive_ = false, long_ = false;
};

void LsCommand::print(const Entry& entry, const Head& head, Invocation& call) {
  if (call.output.json()) return print_json(entry, head, call);
  std::string path = entry.path.empty() ? "." : entry.path;
  if (!long_ || call.common.print0) return call.output.result_name(path);
  auto [user, group] = owner_names(entry);
  std::string line = fmt::format("{} {:<8} {:<8} {:>12} {} {}", permissions(entry), user, group,
                                 format_count(entry.size),
                                 to_display_local(entry.mtime).substr(0, 16), printable(path));
  if (entry.type == FileType::symlink) line += " -> " + printable(entry.target);
  if (!entry.error.empty()) line += fmt::format("  (unreadable: {})", printable(entry.error));
  if (entry.changed) line += "  (changed while read)";
  call.output.result(line);
}

void LsCommand::print_json(const Entry& entry, const Head& head, Invocation& call) {
  JsonLine line("node");
  auto [user, group] = owner_names(entry);
  std::string path = entry.path.empty() ? "." : entry.path;
  line.add("revision", head.revision()).add_path("path", path);
  line.add_path("name", path.substr(path.rfind('/') + 1)).add("type", type_word(entry.type));
  if (entry.type == FileType::file) line.add("size", entry.size);
  line.add("mode", fmt::format("{:04o}", entry.mode)).add("permissions", permissions(entry));
  line.add("uid", entry.uid).add("gid", entry.gid).add("user", user).add("group", group);
  if (entry.type != FileType::repository) line.add("mtime", entry.mtime);
  if (entry.digest) line.add(to_string(entry.digest->kind()), entry.digest->hex());
  if (entry.type == FileType::symlink) line.add_path("target", entry.target);
  if (!entry.error.empty()) line.add("error", entry.error);
  if (entry.changed) line.add("changed", true);
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
