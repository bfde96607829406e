#include "libcore/engine/restore_deletion.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/engine/restore_selection.h"
#include "libcore/store/layout.h"

namespace reverse {

namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

using Part = RestoreSelection::Part;

std::vector<std::string> names_in(int directory, const std::string& display) {
  UniqueFd own(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own) throw_errno(errno, fmt::format("open '{}'", printable(display)));
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(own.get()), &::closedir);
  if (!listing) throw_errno(errno, fmt::format("list '{}'", printable(display)));
  own.release();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) throw_errno(errno, fmt::format("list '{}'", printable(display)));
  std::sort(names.begin(), names.end());
  return names;
}

/// Goes along the revision's tree and the target's directories.
class Deletion {
 public:
  Deletion(const Repository& repository, const Head& head, const RestoreOptions& options,
           Observer& observer, RestoreReport& report, const std::stop_token& stop)
      : repository_(repository),
        head_(head),
        options_(options),
        observer_(observer),
        report_(report),
        stop_(stop),
        selection_(head, options) {}

  void run();

 private:
  /// A directory of the revision, and its names so far.
  struct Level {
    std::string path;
    std::string display;
    UniqueFd fd;             // none where the target has no such directory
    bool is_whole = false;   // what it does not hold is to go
    std::vector<std::string> names = {};
  };
  void enter(const Entry& entry, Part part);
  void leave();
  void remove(int directory, const std::string& name, const std::string& path,
              const std::string& display);
  bool is_elsewhere(int fd) const;
  static void spare_repository(int fd, const std::string& display);
  void report_failure(const std::string& path, const Error& error);

  const Repository& repository_;
  const Head& head_;
  const RestoreOptions& options_;
  Observer& observer_;
  RestoreReport& report_;
  const std::stop_token& stop_;
  RestoreSelection selection_;
  std::vector<Level> levels_;
  dev_t device_ = 0;
};

void Deletion::run() {
  UniqueFd target(::open(options_.target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!target && errno == ENOENT) return;
  if (!target) throw_errno(errno, fmt::format("open '{}'", printable(options_.target)));
  struct stat status {};
  if (::fstat(target.get(), &status) != 0)
    throw_errno(errno, fmt::format("look at '{}'", printable(options_.target)));
  device_ = status.st_dev;
  const std::string& top = options_.path;
  const std::size_t slash = top.rfind('/');
  levels_.push_back({slash == top.npos ? "" : top.substr(0, slash), options_.target,
                     std::move(target)});
  TreeReader tree = repository_.tree(head_);
  if (!top.empty()) tree.seek(top);
  for (std::optional<Entry> entry = tree.next(); entry && is_below(entry->path, top);
       entry = tree.next()) {
    throw_if_stopped(stop_);
    while (levels_.size() > 1 && !is_below(entry->path, levels_.back().path)) leave();
    const Part part = selection_.part_of(*entry);
    if (!entry->path.empty())
      levels_.back().names.push_back(entry->path.substr(entry->path.rfind('/') + 1));
    if (entry->type == FileType::directory) enter(*entry, part);
  }
  while (!levels_.empty()) leave();
}

void Deletion::enter(const Entry& entry, Part part) {
  Level& above = levels_.back();
  const bool is_whole = part == Part::whole && entry.error.empty();
  if (entry.path.empty()) {  // the root is the target itself
    above.is_whole = is_whole;
    return;
  }
  const std::string& name = above.names.back();
  Level level{entry.path, above.display + "/" + name, {}, is_whole};
  if (above.fd) level.fd = UniqueFd(::openat(above.fd.get(), name.c_str(), kOpenDirectory));
  if (level.fd && is_elsewhere(level.fd.get())) level.fd.reset();
  levels_.push_back(std::move(level));
}

bool Deletion::is_elsewhere(int fd) const {
  struct stat status {};
  return ::fstat(fd, &status) != 0 || status.st_dev != device_;
}

/// A repository holds what there is no other copy of, the one that is read from perhaps.
void Deletion::spare_repository(int fd, const std::string& display) {
  struct stat status {};
  if (::fstatat(fd, layout::kRepositoryFile.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
    fail(ErrorKind::refused, "'{}' is a repository: it is left alone", printable(display));
}

void Deletion::leave() {
  Level level = std::move(levels_.back());
  levels_.pop_back();
  if (!level.is_whole || !level.fd) return;
  std::sort(level.names.begin(), level.names.end());
  try {
    if (!std::binary_search(level.names.begin(), level.names.end(), layout::kRepositoryFile))
      spare_repository(level.fd.get(), level.display);
    for (const std::string& name : names_in(level.fd.get(), level.display))
      if (!std::binary_search(level.names.begin(), level.names.end(), name))
        remove(level.fd.get(), name, level.path.empty() ? name : level.path + "/" + name,
               level.display + "/" + name);
  } catch (const Error& error) {
    report_failure(level.display, error);
  }
}

void Deletion::report_failure(const std::string& path, const Error& error) {
  ++report_.failed;
  observer_.problem({path, "delete", error.what()});
}

/// With all below it, the innermost first; but for what a pattern excludes, which keeps its
/// directories too.
void Deletion::remove(int directory, const std::string& name, const std::string& path,
                      const std::string& display) {
  throw_if_stopped(stop_);
  struct stat status {};
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
  const bool is_directory = S_ISDIR(status.st_mode);
  if (selection_.excludes(path, is_directory)) return;
  try {
    if (is_directory) {
      const UniqueFd fd(::openat(directory, name.c_str(), kOpenDirectory));
      if (!fd) throw_errno(errno, fmt::format("open '{}'", printable(display)));
      if (is_elsewhere(fd.get()))
        fail(ErrorKind::refused, "another file system is mounted at '{}'", printable(display));
      spare_repository(fd.get(), display);
      const std::vector<std::string> names = names_in(fd.get(), display);
      for (const std::string& below : names)
        remove(fd.get(), below, path + "/" + below, display + "/" + below);
    } else {
      ++report_.files_deleted;
      observer_.item(ItemAction::deleted, path, static_cast<std::uint64_t>(status.st_size));
    }
    if (options_.dry_run) return;
    if (::unlinkat(directory, name.c_str(), is_directory ? AT_REMOVEDIR : 0) == 0) return;
    if (errno == ENOTEMPTY && is_directory) return;  // what is excluded, or was told of, stays
    throw_errno(errno, fmt::format("remove '{}'", printable(display)));
  } catch (const Error& error) {
    report_failure(display, error);
  }
}

}  // namespace

void delete_others(const Repository& repository, const Head& head, const RestoreOptions& options,
                   Observer& observer, RestoreReport& report, const std::stop_token& stop) {
  if (head.outcome == Outcome::checkpoint)
    fail(ErrorKind::usage, "revision {} is a checkpoint, which lacks names that were there: nothing is deleted by it",
         head.revision());
  Deletion(repository, head, options, observer, report, stop).run();
}

}  // namespace reverse
