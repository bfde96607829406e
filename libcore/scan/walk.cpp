#include "libcore/scan/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "libcore/base/stop.h"
#include "libcore/scan/directory_stack.h"
#include "libcore/scan/read_ahead.h"
#include "libcore/scan/selection.h"
#include "libcore/scan/stat_name.h"
#include "libcore/scan/tags.h"

namespace reverse {

namespace {

constexpr std::size_t kListingBuffer = 128 << 10;
/// How often a name is looked at anew that turns into something else under the walk's eyes.
constexpr int kAttempts = 3;
constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();
constexpr const char* kRepositoryFile = "repository.yaml";

std::string message_of(int code) {
  return std::generic_category().message(code);
}

/// Troubles of the process, not of the file: going on would only report every file as failed.
bool is_exhausted(int code) {
  return code == EMFILE || code == ENFILE || code == ENOMEM;
}

/// Returns 0 or an errno; EINVAL: it is no symlink any more.
int read_target(int fd, const char* name, SourceEntry& entry) {
  std::string& target = entry.target;
  // One byte more than expected shows that nothing was cut off; some file systems say 0.
  for (target.resize(std::max<std::uint64_t>(entry.status.size, 127) + 1);;
       target.resize(target.size() * 2)) {
    ssize_t n = ::readlinkat(fd, name, target.data(), target.size());
    if (n < 0) return errno;
    if (static_cast<std::size_t>(n) == target.size()) continue;
    target.resize(static_cast<std::size_t>(n));
    return 0;
  }
}

class Walker {
 public:
  Walker(const std::string& source, const WalkOptions& options, Filter& filter,
         WalkVisitor& visitor, const std::stop_token& stop)
      : options_(options),
        filter_(filter),
        visitor_(visitor),
        stop_(stop),
        selection_(options.only.value_or(std::vector<std::string>{""})),
        stack_(source, stop),
        buffer_(std::make_unique_for_overwrite<char[]>(kListingBuffer)),
        ahead_(source, filter) {
    for (const std::string& text : options.exclude_if_present) tags_.push_back(parse_tag(text));
    if (options.exclude_caches) tags_.push_back(cache_directory_tag());
  }

  void run(const std::string& source);

 private:
  /// What the walk is about to look at.
  struct Candidate {
    SourceEntry entry;
    const char* name = "";
    std::size_t index = 0;           ///< of the name in its directory
    std::optional<FileStatus> seen;  ///< ahead of the walk, if it was
    /// What is wanted below it; nullopt: all of it.
    std::optional<Selection::Range> selected;
    bool listed = false;  ///< by the caller, or on the way to what is
  };

  void enter_source(const std::string& source);
  void examine(Level& level);
  bool excluded(const std::string& path, const Listing::Name& name, const Level& level);
  bool look_at(Candidate& candidate);
  bool enter(Candidate& candidate);
  bool stops_at_mount(Candidate& candidate);
  int open_directory(const Candidate& candidate, std::shared_ptr<OpenDirectory>& directory);
  int descend(Candidate& candidate, std::shared_ptr<const SourceDirectory> directory,
              std::unique_ptr<ReadAhead::Directory> ahead);
  bool give_up(const Candidate& candidate, int code);
  void fail_all(const Candidate& candidate, bool vanished, const std::string& error);

  const WalkOptions& options_;
  Filter& filter_;
  WalkVisitor& visitor_;
  const std::stop_token& stop_;
  const Selection selection_;
  std::vector<Tag> tags_;
  DirectoryStack stack_;
  std::unique_ptr<char[]> buffer_;
  ReadAhead ahead_;
};

void Walker::run(const std::string& source) {
  enter_source(source);
  while (!stack_.empty()) {
    throw_if_stopped(stop_);
    Level& level = stack_.top();
    if (level.next < level.names.size()) {
      if (!level.selected && level.directory)
        ahead_.look_ahead(level.directory, stack_.path(), level.device, level.names);
      examine(level);
    } else {
      stack_.pop();
      ahead_.leave();
    }
  }
  for (const std::string& path : selection_.outside())
    visitor_.failed(path, false, "leads out of the source");
}

void Walker::enter_source(const std::string& source) {
  UniqueFd fd = open_file(source, O_RDONLY | O_DIRECTORY);
  Candidate candidate;
  candidate.entry.status = file_status(fd.get(), "", source);
  candidate.entry.directory = stack_.share(stack_.made(std::move(fd), ""));
  candidate.selected = selection_.all();
  if (int code = descend(candidate, candidate.entry.directory, nullptr))
    throw_errno(code, fmt::format("list '{}'", source));
}

/// Looks at the next name of `level`, which may become another than the top by that.
void Walker::examine(Level& level) {
  Candidate candidate;
  candidate.index = level.next++;
  const Listing::Name& name = level.names[candidate.index];
  candidate.entry.path = stack_.path_of(level.names.view(name));
  if (level.selected) {
    candidate.listed = true;
    candidate.selected = selection_.take(*level.selected, candidate.entry.path);
    if (selection_.is_whole(*candidate.selected, candidate.entry.path)) candidate.selected.reset();
  } else if (excluded(candidate.entry.path, name, level)) {
    return;
  }
  if (!level.directory)
    return fail_all(candidate, false, "its directory was moved away during the walk");
  candidate.entry.directory = level.directory;
  candidate.name = level.names.c_str(name);
  if (!level.seen.empty()) candidate.seen = level.seen[candidate.index];
  for (int attempt = 0; attempt < kAttempts; ++attempt)
    if (look_at(candidate)) return;
  fail_all(candidate, false, "it was replaced again and again while it was looked at");
}

bool Walker::excluded(const std::string& path, const Listing::Name& name, const Level& level) {
  bool is_directory = name.type == DT_DIR;
  FileStatus status;
  if (name.type == DT_UNKNOWN && level.directory &&
      stat_name(level.directory->fd.get(), level.names.c_str(name), status) == 0)
    is_directory = status.type == FileType::directory;
  if (!filter_.excludes(path, is_directory)) return false;
  visitor_.skipped(path, SkipReason::excluded, "pattern");
  return true;
}

/// False if the name turned into something else meanwhile.
bool Walker::look_at(Candidate& candidate) {
  SourceEntry& entry = candidate.entry;
  int fd = entry.directory->fd.get();
  if (auto seen = std::exchange(candidate.seen, std::nullopt))
    entry.status = *seen;
  else if (int code = stat_name(fd, candidate.name, entry.status))
    return give_up(candidate, code);
  if (entry.status.type == FileType::directory) return enter(candidate);
  if (candidate.selected) return give_up(candidate, ENOTDIR);
  if (entry.status.type == FileType::symlink) {
    int code = read_target(fd, candidate.name, entry);
    if (code == EINVAL) return false;
    if (code != 0) return give_up(candidate, code);
  }
  bool too_large = !candidate.listed && entry.status.type == FileType::file &&
                   entry.status.size > options_.exclude_larger_than.value_or(kNoLimit);
  if (too_large)
    visitor_.skipped(entry.path, SkipReason::excluded, "size");
  else
    visitor_.entry(std::move(entry), std::nullopt);
  return true;
}

/// False if the name is no longer the directory that was looked at.
bool Walker::enter(Candidate& candidate) {
  const SourceEntry& entry = candidate.entry;
  if (options_.omit.contains({entry.status.device, entry.status.inode})) {
    visitor_.skipped(entry.path, SkipReason::omitted, "");
    return true;
  }
  if (stops_at_mount(candidate)) return true;
  std::unique_ptr<ReadAhead::Directory> ahead = ahead_.take(candidate.index);
  if (ahead && !same_inode(ahead->status, entry.status)) ahead.reset();
  std::shared_ptr<OpenDirectory> opened;
  if (ahead) opened = std::move(ahead->opened);
  int code = opened ? 0 : open_directory(candidate, opened);
  if (code == ENOTDIR || code == ELOOP) return false;
  if (code == 0) code = descend(candidate, stack_.share(std::move(opened)), std::move(ahead));
  if (code == 0) return true;
  if (code == ENOENT || is_exhausted(code)) return give_up(candidate, code);
  visitor_.entry(std::move(candidate.entry), message_of(code));
  if (candidate.selected) fail_all(candidate, false, message_of(code));
  return true;
}

/// Returns 0 or an errno; ENOTDIR or ELOOP: it is no longer the directory that was looked at.
int Walker::open_directory(const Candidate& candidate,
                           std::shared_ptr<OpenDirectory>& directory) {
  const SourceEntry& entry = candidate.entry;
  // On the way to listed paths nothing is read, so search permission must do.
  int access = candidate.selected ? O_PATH : O_RDONLY;
  UniqueFd fd(open_quietly(entry.directory->fd.get(), candidate.name, access | O_DIRECTORY,
                           entry.status.uid));
  if (!fd) return errno;
  FileStatus opened;
  if (int code = stat_name(fd.get(), "", opened)) return code;
  if (!same_inode(opened, entry.status)) return ENOTDIR;
  directory = stack_.made(std::move(fd), entry.path);
  return 0;
}

bool Walker::stops_at_mount(Candidate& candidate) {
  const SourceEntry& entry = candidate.entry;
  if (entry.status.device == stack_.top().device) return false;
  // O_PATH triggers no automount. Where even that fails, so will opening the directory.
  UniqueFd fd(::openat(entry.directory->fd.get(), candidate.name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  FileSystemInfo found = file_system_of(fd.get());
  bool crossed = found.kind == MountKind::disk || options_.cross.contains(found.kind);
  if (crossed && !options_.one_file_system) return false;
  std::string path = entry.path;
  visitor_.entry(std::move(candidate.entry), std::nullopt);
  visitor_.skipped(path,
                   options_.one_file_system ? SkipReason::other_file_system : SkipReason::mount,
                   found.type);
  if (candidate.selected) fail_all(candidate, false, "lies on a file system that is left out");
  return true;
}

/// Reports the open directory and makes it the top. Returns 0, or the errno of listing it, with
/// nothing reported.
int Walker::descend(Candidate& candidate, std::shared_ptr<const SourceDirectory> directory,
                    std::unique_ptr<ReadAhead::Directory> ahead) {
  SourceEntry& entry = candidate.entry;
  int fd = directory->fd.get();
  Level level{.directory = std::move(directory),
              .device = entry.status.device,
              .inode = entry.status.inode,
              .selected = candidate.selected};
  std::string path = entry.path;
  const Tag* tag = nullptr;
  if (candidate.selected) {
    level.names = selection_.names(*candidate.selected, path);
  } else {
    if (ahead) {
      level.names = std::move(ahead->names);
      level.seen = std::move(ahead->seen);
    } else if (int code = read_listing(fd, buffer_.get(), kListingBuffer, level.names)) {
      return code;
    }
    if (!stack_.empty() && options_.is_repository && level.names.contains(kRepositoryFile) &&
        options_.is_repository(entry, fd)) {
      entry.status.type = FileType::repository;
      visitor_.entry(std::move(entry), std::nullopt);
      visitor_.skipped(path, SkipReason::repository, "");
      return 0;
    }
    tag = find_tag(fd, level.names, tags_);
  }
  visitor_.entry(std::move(entry), std::nullopt);
  if (tag != nullptr) {
    visitor_.skipped(path, SkipReason::tag, tag->name);
    level.names.keep_only(tag->name);
    level.seen.clear();
  }
  stack_.push(std::move(level), candidate.name);
  ahead_.enter(tag == nullptr && ahead ? std::move(ahead->upcoming) : ReadAhead::Upcoming{});
  return 0;
}

/// Reports that the name cannot be examined. Always true: there is nothing more to do about it.
bool Walker::give_up(const Candidate& candidate, int code) {
  if (is_exhausted(code)) throw_errno(code, fmt::format("examine '{}'", candidate.entry.path));
  fail_all(candidate, code == ENOENT, message_of(code));
  return true;
}

/// Reports the candidate, or in its stead all listed paths that can only be reached through it.
void Walker::fail_all(const Candidate& candidate, bool vanished, const std::string& error) {
  if (!candidate.selected)
    return visitor_.failed(candidate.entry.path, vanished && !candidate.listed, error);
  for (std::size_t i = candidate.selected->begin; i < candidate.selected->end; ++i)
    visitor_.failed(selection_[i], false, error);
}

}  // namespace

void walk(const std::string& source, const WalkOptions& options, Filter& filter,
          WalkVisitor& visitor, const std::stop_token& stop) {
  Walker(source, options, filter, visitor, stop).run(source);
}

}  // namespace reverse
