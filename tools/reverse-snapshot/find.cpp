#include <regex.h>

#include <algorithm>
#include <memory>

#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/cli/repository_access.h"
#include "libcore/cli/values.h"
#include "libcore/engine/path_history.h"
#include "libcore/scan/filter.h"
#include "tools/reverse-snapshot/command.h"
#include "tools/reverse-snapshot/node_json.h"

namespace reverse {

namespace {

/// A compiled POSIX extended regular expression. Thread-safe.
class Regex {
 public:
  explicit Regex(const std::string& text) {
    int code = ::regcomp(&compiled_, text.c_str(), REG_EXTENDED | REG_NOSUB);
    if (code == 0) return;
    char reason[200];
    ::regerror(code, &compiled_, reason, sizeof reason);
    fail(ErrorKind::usage, "'{}' is no regular expression: {}", printable(text), reason);
  }
  ~Regex() { ::regfree(&compiled_); }
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  bool matches(const std::string& text) const {
    return ::regexec(&compiled_, text.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  regex_t compiled_;
};

/// Says of paths whether they are asked for; patterns may be written out with a set's source.
class PathMatcher {
 public:
  PathMatcher(const Repository& repository, const KnownRevisions& revisions,
              const std::vector<std::string>& patterns, bool regular)
      : repository_(repository), revisions_(revisions), patterns_(patterns) {
    Filter check("/");  // what is no pattern is said before anything is read
    for (const std::string& pattern : patterns)
      regular ? regexes_.push_back(std::make_unique<Regex>(pattern)) : check.add(pattern);
  }

  bool matches(std::int64_t set, std::string_view path, FileType type) {
    if (revisions_.set_name(set) == nullptr) return false;  // of another host, or gone
    if (patterns_.empty()) return true;
    if (regexes_.empty()) return filter(set).excludes(path, type == FileType::directory);
    const std::string text(path);
    return std::any_of(regexes_.begin(), regexes_.end(),
                       [&](const auto& regex) { return regex->matches(text); });
  }

 private:
  /// What backup would leave out is here what is found.
  Filter& filter(std::int64_t set) {
    auto known = filters_.find(set);
    if (known != filters_.end()) return known->second;
    std::optional<Head> head = last_head(repository_, *revisions_.set_name(set));
    Filter filter(head ? head->source : "/");
    for (const std::string& pattern : patterns_) filter.add(pattern);
    return filters_.emplace(set, std::move(filter)).first->second;
  }

  const Repository& repository_;
  const KnownRevisions& revisions_;
  const std::vector<std::string>& patterns_;
  std::vector<std::unique_ptr<Regex>> regexes_;
  std::map<std::int64_t, Filter> filters_;
};

/// What was found: a path as it was in some revisions.
struct Found {
  std::string set;
  PathState state;
  std::vector<const KnownRevision*> revisions;  // oldest first
};

/// Sorts by sets, paths and time, and makes one of what is the same state of the same path: it may
/// have come back, or its revisions were not taken up in the order of time.
void unite(std::vector<Found>& found) {
  auto is_before = [](const Found& a, const Found& b) {
    if (a.set != b.set) return a.set < b.set;
    int order = compare_paths(a.state.path, b.state.path);
    return order != 0 ? order < 0 : a.revisions.front()->name < b.revisions.front()->name;
  };
  std::sort(found.begin(), found.end(), is_before);
  std::vector<Found> united;
  for (Found& one : found) {
    auto is_same = [&](const Found& other) {
      return other.set == one.set && other.state == one.state;
    };
    auto same = std::find_if(united.rbegin(), united.rend(), [&](const Found& other) {
      return is_same(other) || other.state.path != one.state.path || other.set != one.set;
    });
    if (same == united.rend() || !is_same(*same)) {
      united.push_back(std::move(one));
      continue;
    }
    same->revisions.insert(same->revisions.end(), one.revisions.begin(), one.revisions.end());
    std::sort(same->revisions.begin(), same->revisions.end(),
              [](auto* a, auto* b) { return a->name < b->name; });
  }
  found = std::move(united);
}

class FindCommand : public Command {
 public:
  void declare_options(OptionSet& options) override;
  ExitCode execute(Invocation& call) override;

 private:
  std::vector<Found> search(const Repository& repository, History& history,
                            const KnownRevisions& revisions, const Invocation& call);
  void print(const Found& found, DigestKind kind, Invocation& call) const;

  FilterOptions filter_;
  PathQuery query_;
  bool regex_ = false;
};

std::string content_prefix_value(const std::string& text) {
  std::string hex = text;
  std::erase(hex, '-');  // DIGEST-CHECK
  std::optional<std::string> bytes = from_hex(hex);
  if (!bytes || bytes->size() < 4 || bytes->size() > 32)
    fail(ErrorKind::usage,
         "'{}' is no digest: an even number of lower-case hex digits, 8 at least, is needed",
         printable(text));
  return *bytes;
}

Timestamp older_than_value(const std::string& text) {
  std::optional<CalendarDuration> age = parse_calendar_duration(text);
  return plus_seconds(age ? before(now(), *age) : time_value(text), -1);
}

void FindCommand::declare_options(OptionSet& options) {
  options.heading("What is looked for");
  options.flag({"regex", 0, Shown::first},
               "PATTERNs are extended regular expressions over whole paths", regex_);
  options.value({"digest", 0, Shown::first}, "HEX", "files with this content (8 digits or more)",
                [this](const std::string& text) {
                  query_.content_prefix = content_prefix_value(text);
                });
  options.value({"larger"}, "SIZE", "what has more bytes",
                [this](const std::string& text) { query_.larger = size_value(text); });
  options.value({"smaller"}, "SIZE", "what has fewer bytes",
                [this](const std::string& text) { query_.smaller = size_value(text); });
  options.value({"newer"}, "TIME", "what was changed after that time (or age: 3w)",
                [this](const std::string& text) {
                  query_.newer = plus_seconds(latest_moment_value(text, now()), 1);
                });
  options.value({"older"}, "TIME", "what was changed before that time (or age)",
                [this](const std::string& text) { query_.older = older_than_value(text); });
  options.heading("Where");
  filter_.declare(options);
}

std::vector<Found> FindCommand::search(const Repository& repository, History& history,
                                       const KnownRevisions& revisions, const Invocation& call) {
  PathMatcher matcher(repository, revisions, call.operands, regex_);
  query_.wanted = [&](std::int64_t set, std::string_view path, FileType type) {
    return matcher.matches(set, path, type);
  };
  // Sizes are those of files: a directory is neither small nor large.
  bool files_only = query_.larger || query_.smaller;
  std::vector<Found> found;
  history.visit(query_, [&](const PathPeriod& period) {
    if (files_only && period.state.type != FileType::file) return;
    std::vector<const KnownRevision*> in = revisions.in(period);
    if (!in.empty())
      found.push_back({*revisions.set_name(period.set), period.state, std::move(in)});
  });
  unite(found);
  return found;
}

void FindCommand::print(const Found& found, DigestKind kind, Invocation& call) const {
  const Entry entry = entry_of(found.state, kind);
  if (call.output.json()) {
    for (const KnownRevision* revision : found.revisions)
      call.output.result(node_json(entry, revision->name));
    return;
  }
  std::string path = entry.path.empty() ? "." : entry.path;
  if (call.common.print0) return call.output.result_name(path);
  const std::string& newest = found.revisions.back()->name;
  std::string line = fmt::format("{}:{}  {}{}", printable(newest), printable(path),
                                 entry.type == FileType::file ? format_bytes(entry.size) + ", " : "",
                                 minute(entry.mtime));
  if (found.revisions.size() > 1) {
    const std::string& oldest = found.revisions.front()->name;
    line += fmt::format("  ({}, since {})", counted(found.revisions.size(), "revision"),
                        oldest.substr(oldest.rfind('/') + 1, 16));
  }
  call.output.result(line);
}

ExitCode FindCommand::execute(Invocation& call) {
  bool is_restricted = query_.content_prefix || query_.larger || query_.smaller || query_.newer ||
                       query_.older;
  ReadAccess access = open_for_reading(
      take_repository(call, RepositoryPlace::first, is_restricted ? 0 : 1), call);
  if (call.operands.empty() && !is_restricted)
    fail(ErrorKind::usage, "what is looked for? Give a PATTERN ('*.jpg') or --digest HEX");
  std::unique_ptr<History> history = open_history(access.repository, call);
  bool damage = false;
  update_history(
      access.repository, *history, filter_.filter,
      [&](const std::string& revision, const Error& error) {
        call.output.problem(revision, "read", error.what());
        damage = true;
      },
      call.io.stop);
  const KnownRevisions revisions(history->revisions(), filter_.filter);
  std::vector<Found> found = search(access.repository, *history, revisions, call);
  std::string last;
  for (const Found& one : found) {
    if (call.common.print0 && one.state.path == last && &one != &found.front()) continue;
    print(one, access.repository.info().digest, call);
    last = one.state.path;
  }
  if (found.empty()) call.output.note("nothing found");
  ExitCode code = damage ? ExitCode::damage : ExitCode::ok;
  if (call.output.json())
    call.output.result(JsonLine("summary")
                           .add("found", std::uint64_t{found.size()})
                           .add("exit_code", static_cast<int>(code)));
  return code;
}

}  // namespace

const ToolSpec& find_tool() {
  static const ToolSpec spec{
      "reverse-snapshot find",
      {"[OPTIONS] REPO PATTERN...", "[OPTIONS] REPO --digest HEX"},
      "Finds names and contents in all revisions.",
      {{"reverse find /mnt/disk/backup '*.jpg'", "which revisions ever held such names"},
       {"reverse find /mnt/disk/backup --digest d8e8fca2dc0f896fd7cb4cb0031ba249",
        "and which this content"}},
      {.print0 = true},
      [] { return std::make_unique<FindCommand>(); }};
  return spec;
}

}  // namespace reverse
