#include "tools/reverse-backup/choices.h"

#include <sys/stat.h>

#include "libcore/base/fd.h"
#include "libcore/base/text.h"
#include "libcore/cli/location.h"
#include "libcore/cli/name_list.h"
#include "libcore/cli/repository_access.h"
#include "libcore/cli/values.h"
#include "libcore/engine/machine.h"

namespace reverse {

// --- options

void BackupChoices::declare(OptionSet& options) {
  declare_selection(options);
  declare_comparison(options);
  declare_revision(options);
  declare_repository(options);
  options.heading("What counts as failure");
  options.flag({"strict"}, "exit 3 if files vanished or changed while they were read", strict);
  options.value({"overdue"}, "D",
                "with -q: say nothing of a temporary failure while the last complete revision is "
                "younger than D",
                [this](const std::string& text) { overdue = duration_value(text); });
  options.reserved({"all"});
}

void BackupChoices::declare_selection(OptionSet& options) {
  options.heading("What is backed up");
  options.value({"exclude", 'e', Shown::first}, "PATTERN",
                "leave out what matches (repeatable; manual: Patterns)", backup.patterns);
  options.value({"exclude-file", 0, Shown::in_help, "exclude-from"}, "FILE",
                "leave out what matches a line of FILE", [this](const std::string& file) {
                  std::string text = read_file(file);
                  for (std::string_view line : split(text, '\n'))
                    if (!line.empty() && line.front() != '#') backup.patterns.emplace_back(line);
                });
  options.value({"exclude-if-present"}, "NAME[:HEADER]",
                "keep only the tag file of directories that hold NAME (beginning with HEADER)",
                backup.walk.exclude_if_present);
  options.flag({"exclude-caches", 0, Shown::first}, "likewise for directories with a CACHEDIR.TAG",
               backup.walk.exclude_caches);
  options.value(
      {"exclude-larger-than"}, "SIZE", "leave out larger files",
      [this](const std::string& text) { backup.walk.exclude_larger_than = size_value(text); });
  options.flag({"one-file-system", 'x', Shown::first},
               "leave other file systems as empty directories", backup.walk.one_file_system);
  options.value({"cross"}, "KINDS", "enter mounts of these kinds too: net, fuse, tmpfs",
                [this](const std::string& text) { cross(text); });
  options.value({"files-from"}, "FILE",
                "only the paths below SOURCE that FILE lists, a line each, directories whole (- "
                "reads standard input)",
                files_from);
  options.value({"files-from0"}, "FILE", "likewise, paths ended by NUL", files_from0);
  options.value({"stdin-filename"}, "NAME",
                "the name under which SOURCE -, standard input, is recorded", stdin_filename);
  options.value({"stdin-from-command"}, "CMD",
                "back up what `sh -c CMD` prints; if it fails nothing is published", stdin_command);
  options.value({"repositories"}, "WAY",
                "repositories below SOURCE: merge (their revisions are copied), skip (named only) "
                "or list (file by file)",
                [this](const std::string& way) {
                  if (way == "merge")
                    backup.repositories = NestedRepositories::merge;
                  else if (way == "skip")
                    backup.repositories = NestedRepositories::skip;
                  else if (way == "list")
                    backup.repositories = NestedRepositories::list;
                  else
                    fail(ErrorKind::usage, "'{}' is neither merge, skip nor list", printable(way));
                });
}

void BackupChoices::cross(const std::string& kinds) {
  for (std::string_view kind : split(kinds, ',')) {
    std::set<MountKind>& crossed = backup.walk.cross;
    if (kind == "net")
      crossed.insert(MountKind::network);
    else if (kind == "fuse")
      crossed.insert(MountKind::fuse);
    else if (kind == "tmpfs")
      crossed.insert(MountKind::memory);
    else
      fail(ErrorKind::usage, "'{}' is none of net, fuse, tmpfs", printable(kind));
  }
}

void BackupChoices::declare_comparison(OptionSet& options) {
  options.heading("Which files are read");
  options.flag({"reread"}, "read every file, whatever the catalog knows", backup.reread);
  options.flag({"ignore-ctime"}, "a changed ctime alone is no change", backup.ignore_ctime);
  options.flag({"ignore-inode"}, "a changed inode alone is no change", backup.ignore_inode);
}

void BackupChoices::declare_revision(OptionSet& options) {
  options.heading("The revision");
  options.value({"label"}, "LABEL", "the set is HOST/LABEL (default: SOURCE's path with - for /)",
                label);
  options.value({"host"}, "HOST", "the set is HOST/LABEL (default: this machine's name)",
                [this](const std::string& text) { host = host_value(text); });
  options.value({"tag", 0, Shown::first}, "TAG", "a tag of the revision (repeatable)", backup.tags);
  options.value({"time"}, "TIME", "record this as the time of the backup",
                [this](const std::string& text) { backup.time = time_value(text); });
  options.value({"as"}, "PATH", "record SOURCE as PATH (a file system snapshot, an old copy)", as);
  options.flag({"skip-if-unchanged"}, "publish nothing if the tree is the newest revision's",
               backup.skip_if_unchanged);
  options.value({"checkpoint"}, "D",
                "make what is stored so far restorable every D (default 30min; 0: never)",
                [this](const std::string& text) { backup.checkpoint = duration_value(text); });
}

void BackupChoices::declare_repository(OptionSet& options) {
  options.heading("The repository");
  options.value({"digest"}, "KIND",
                "md5 (default) or sha256: decided when the repository is created",
                [this](const std::string& text) {
                  digest = parse_digest_kind(text);
                  if (!digest)
                    fail(ErrorKind::usage, "'{}' is neither md5 nor sha256", printable(text));
                });
  options.flag({"no-create"}, "never create a repository (for cron)", no_create);
  options.value({"require-mount"}, "PATH", "stop unless PATH is a mount point (repeatable)",
                require_mounts);
  options.value({"fsync"}, "WHEN",
                "make data durable: barrier (default: before it gets its name), each (file by "
                "file) or none (left to the system)",
                [this](const std::string& when) {
                  if (when == "each")
                    durability = Durability::each;
                  else if (when == "none")
                    durability = Durability::none;
                  else if (when != "barrier")
                    fail(ErrorKind::usage, "'{}' is none of each, barrier, none", printable(when));
                });
}

// --- sources

void BackupChoices::choose_paths(BackupOptions& options, Invocation& call) const {
  options.walk.only = names_in_files(files_from, files_from0, call.io.in_fd);
}

BackupOptions BackupChoices::plan_source(const std::string& source, Invocation& call) const {
  BackupOptions options = backup;
  options.read_from = parse_source(source);
  options.source = as ? absolute_path(*as) : options.read_from;
  options.label = label ? set_component(*label) : label_of_source(options.source);
  choose_paths(options, call);
  struct stat status {};
  if (::stat(options.read_from.c_str(), &status) == 0 && !S_ISDIR(status.st_mode)) {
    if (!S_ISREG(status.st_mode))
      fail(ErrorKind::usage, "'{}' is neither a directory nor a file",
           printable(options.read_from));
    // One file: its directory, with nothing else in it.
    std::size_t slash = options.read_from.rfind('/');
    options.walk.only = {options.read_from.substr(slash + 1)};
    options.read_from = slash == 0 ? "/" : options.read_from.substr(0, slash);
    slash = options.source.rfind('/');
    options.source = slash == 0 ? "/" : options.source.substr(0, slash);
    options.allow.insert("shrink");
  }
  return options;
}

BackupOptions BackupChoices::plan_stream() const {
  BackupOptions options = backup;
  const std::string& name = *stdin_filename;
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
    fail(ErrorKind::usage, "--stdin-filename '{}': a file name without a slash is needed",
         printable(name));
  options.source = options.read_from = "stdin:" + name;
  options.label = set_component(label ? *label : name);
  return options;
}

std::vector<BackupOptions> BackupChoices::plan(Invocation& call) const {
  const std::vector<std::string>& sources = call.operands;
  bool is_stream = stdin_command || (sources.size() == 1 && sources.front() == "-");
  if (is_stream && !stdin_filename)
    fail(ErrorKind::usage, "a stream needs a name: add --stdin-filename NAME");
  if (!is_stream && stdin_filename)
    fail(ErrorKind::usage, "--stdin-filename goes with SOURCE - or --stdin-from-command");
  std::vector<BackupOptions> planned;
  if (is_stream) {
    if (sources.size() > (stdin_command ? 0u : 1u))
      fail(ErrorKind::usage, "a stream is the only source of its call");
    planned.push_back(plan_stream());
  } else {
    if (sources.empty()) fail(ErrorKind::usage, "SOURCE is missing");
    if (sources.size() > 1 && (as || label || files_from || files_from0))
      fail(ErrorKind::usage, "--as, --label and --files-from need a single SOURCE");
    for (const std::string& source : sources) planned.push_back(plan_source(source, call));
  }
  for (BackupOptions& options : planned) {
    options.host = host ? set_component(*host) : this_host(call.common);
    options.set_named = host || label;
    options.allow.insert(call.common.allow.begin(), call.common.allow.end());
    options.dry_run = call.common.dry_run;
    options.tool = fmt::format("reverse {}", version());
  }
  return planned;
}

void BackupChoices::check_mounts() const {
  for (const std::string& path : require_mounts)
    if (!is_mount_point(absolute_path(path)))
      fail(ErrorKind::refused, "'{}' is not a mount point, as --require-mount asks",
           printable(path));
}

}  // namespace reverse
