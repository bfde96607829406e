#include "libcore/engine/view_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/pipeline.h"
#include "libcore/base/task_pool.h"
#include "libcore/base/text.h"
#include "libcore/engine/object_linker.h"

namespace reverse {

namespace {

constexpr unsigned kThreads = 2;
constexpr std::size_t kBatch = 64;  // files
constexpr std::size_t kQueuedBatches = 64;
constexpr std::size_t kFew = 4;  // files that are made sooner than a thread is woken for them
constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

/// A directory some levels below another, in one step and not through symlinks; invalid where that
/// cannot be had: old kernels and some sandboxes know no such step.
UniqueFd open_far_below(int directory, const char* path) {
  open_how how{};
  how.flags = kOpenDirectory;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how)));
}

timespec time_of(Timestamp time) {
  timespec spec{};
  spec.tv_sec = time.seconds;
  spec.tv_nsec = static_cast<long>(time.nanoseconds);
  return spec;
}

void set_symlink_time(int directory, const std::string& name, Timestamp time) {
  const timespec times[2] = {time_of(time), time_of(time)};
  ::utimensat(directory, name.c_str(), times, AT_SYMLINK_NOFOLLOW);  // not everywhere to be had
}

bool is_about_content(const Error& error) {
  return error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::not_found;
}

/// Makes directories and symlinks itself, and has threads make files, a batch of one directory at a
/// time.
class LocalTree : public ViewTree {
 public:
  LocalTree(const Repository& repository, const std::string& root, const std::string& directory,
            ViewReport& report, const ViewProblem& problem)
      : fd_(open_file(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)),
        linker_(repository, root, fd_.get()),
        report_(report),
        problem_(problem) {
    pool_.start(pipeline_, kThreads);
  }

  void expect(std::uint64_t files) override { linker_.expect(files); }
  void add(const Entry& entry) override;
  void remove(const std::string& path, bool is_directory) override;
  void finish(const Entry& directory) override;
  void flush() override;

 private:
  /// An open directory.
  struct Open {
    Open(std::string name, UniqueFd descriptor)
        : path(std::move(name)), fd(std::move(descriptor)) {}

    const std::string path;
    const UniqueFd fd;
    std::atomic<unsigned> under_way{1};  // batches, and this tree until it is finished
    std::optional<Entry> entry = {};     // that it gets when nothing is under way
  };
  struct Batch {
    std::shared_ptr<Open> directory;  // null: the view itself
    std::vector<Entry> files;
  };
  int reach(const std::string& directory);
  int open_parent(const std::string& path);
  void make(int parent, const std::string& name, const Entry& entry);
  void make_file_later(const Entry& entry);
  void submit();
  void wait();
  void make_files(const Batch& batch);
  void leave(Open& directory);

  const UniqueFd fd_;
  ObjectLinker linker_;
  ViewReport& report_;
  const ViewProblem& problem_;
  std::set<std::string> fresh_;  // directories made here, not finished yet: open to their owner
  std::map<std::string, struct stat> changed_;  // others whose names were changed: as they were
  std::vector<std::shared_ptr<Open>> open_;  // on the way to what was reached last
  Batch batch_;       // files of the directory that was reached last
  std::mutex mutex_;  // guards `report_`'s counts of files, and `problem_`
  TaskPool pool_{kQueuedBatches};
  Pipeline pipeline_{std::stop_token()};
};

/// An open descriptor of a directory; what was opened on the way to it stays open for the next one.
int LocalTree::reach(const std::string& directory) {
  while (!open_.empty() && !is_below(directory, open_.back()->path)) open_.pop_back();
  while (open_.empty() ? !directory.empty() : open_.back()->path != directory) {
    const std::size_t from = open_.empty() ? 0 : open_.back()->path.size() + 1;
    const std::string next = directory.substr(0, directory.find('/', from));
    const int above = open_.empty() ? fd_.get() : open_.back()->fd.get();
    if (next != directory) {
      if (UniqueFd fd = open_far_below(above, directory.c_str() + from)) {
        open_.push_back(std::make_shared<Open>(directory, std::move(fd)));
        break;
      }
    }
    UniqueFd fd(::openat(above, next.c_str() + from, kOpenDirectory));
    if (fd.get() < 0) throw_errno(errno, fmt::format("open '{}'", printable(next)));
    open_.push_back(std::make_shared<Open>(next, std::move(fd)));
  }
  return open_.empty() ? fd_.get() : open_.back()->fd.get();
}

/// The directory that `path` lies in, in which names are made or removed now.
int LocalTree::open_parent(const std::string& path) {
  const std::string parent = parent_of(path);
  const int fd = reach(parent);
  if (fresh_.count(parent) > 0 || parent.empty()) return fd;
  const auto [at, is_new] = changed_.try_emplace(parent);
  if (!is_new) return fd;
  if (::fstat(fd, &at->second) != 0 || ::fchmod(fd, 0700) != 0)
    throw_errno(errno, fmt::format("open '{}' to changes", printable(parent)));
  return fd;
}

void LocalTree::add(const Entry& entry) {
  if (entry.path.empty()) return;
  const int parent = open_parent(entry.path);
  if (entry.type == FileType::file && entry.digest)
    make_file_later(entry);
  else
    make(parent, name_of(entry.path), entry);
}

/// In the directory that was reached last.
void LocalTree::make_file_later(const Entry& entry) {
  const std::shared_ptr<Open> directory = open_.empty() ? nullptr : open_.back();
  if (batch_.directory != directory || batch_.files.size() >= kBatch) submit();
  batch_.directory = directory;
  batch_.files.push_back(entry);
}

void LocalTree::submit() {
  if (batch_.files.empty()) return;
  if (batch_.directory) ++batch_.directory->under_way;
  auto batch = std::make_shared<const Batch>(std::exchange(batch_, {}));
  if (batch->files.size() <= kFew) return make_files(*batch);
  try {
    pool_.submit([this, batch] { make_files(*batch); });
  } catch (const Cancelled&) {
    pipeline_.wait();  // throws what stopped it
    throw;
  }
}

/// Until all files are made.
void LocalTree::wait() {
  submit();
  try {
    pool_.wait();
  } catch (const Cancelled&) {
    pipeline_.wait();
    throw;
  }
}

/// In a thread of the pool.
void LocalTree::make_files(const Batch& batch) {
  const int parent = batch.directory ? batch.directory->fd.get() : fd_.get();
  for (const Entry& entry : batch.files) {
    try {
      linker_.make(parent, name_of(entry.path), entry);
      std::lock_guard lock(mutex_);
      ++report_.files;
    } catch (const Error& error) {
      if (!is_about_content(error)) throw;
      std::lock_guard lock(mutex_);
      ++report_.damaged;
      problem_(entry.path, error.what());
    }
  }
  if (batch.directory) leave(*batch.directory);
}

/// The last one gives the directory what its entry says.
void LocalTree::leave(Open& directory) {
  if (--directory.under_way > 0 || !directory.entry) return;
  const Entry& entry = *directory.entry;
  if (linker_.clones()) return linker_.metadata().apply(directory.fd.get(), entry, entry.path);
  const timespec times[2] = {time_of(entry.mtime), time_of(entry.mtime)};
  if (::fchmod(directory.fd.get(), 0555) != 0 || ::futimens(directory.fd.get(), times) != 0)
    throw_errno(errno, fmt::format("set mode and time of '{}'", printable(entry.path)));
}

void LocalTree::make(int parent, const std::string& name, const Entry& entry) {
  if (entry.type == FileType::directory || entry.type == FileType::repository) {
    if (::mkdirat(parent, name.c_str(), 0700) != 0)
      throw_errno(errno, fmt::format("make '{}'", printable(entry.path)));
    fresh_.insert(entry.path);
    ++report_.directories;
  } else if (entry.type == FileType::symlink) {
    if (::symlinkat(entry.target.c_str(), parent, name.c_str()) != 0)
      throw_errno(errno, fmt::format("make '{}'", printable(entry.path)));
    set_symlink_time(parent, name, entry.mtime);
    ++report_.symlinks;
  } else {
    ++report_.left_out;
  }
}

void LocalTree::remove(const std::string& path, bool is_directory) {
  const int parent = open_parent(path);
  if (::unlinkat(parent, name_of(path).c_str(), is_directory ? AT_REMOVEDIR : 0) != 0 &&
      errno != ENOENT)
    throw_errno(errno, fmt::format("remove '{}'", printable(path)));
  if (is_directory) changed_.erase(path);
  ++report_.removed;
}

void LocalTree::finish(const Entry& directory) {
  if (directory.path.empty()) return;  // the view itself keeps the mode that it was made with
  reach(directory.path);
  submit();
  fresh_.erase(directory.path);
  changed_.erase(directory.path);
  open_.back()->entry = directory;
  leave(*open_.back());
}

void LocalTree::flush() {
  wait();
  for (const auto& [path, before] : changed_) {
    const int fd = reach(path);
    const timespec times[2] = {before.st_atim, before.st_mtim};
    if (::fchmod(fd, before.st_mode & 07777) != 0 || ::futimens(fd, times) != 0)
      throw_errno(errno, fmt::format("set mode and time of '{}'", printable(path)));
  }
  changed_.clear();
  report_.copied = linker_.copied();
  report_.is_cloned = linker_.clones();
}

}  // namespace

std::unique_ptr<ViewTree> open_local_tree(const Repository& repository, const std::string& root,
                                          const std::string& directory, ViewReport& report,
                                          const ViewProblem& problem) {
  return std::make_unique<LocalTree>(repository, root, directory, report, problem);
}

void remove_tree_at(int directory, const std::string& name) {
  if (::unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) return;
  if (errno != EISDIR && errno != EPERM)
    throw_errno(errno, fmt::format("remove '{}'", printable(name)));
  UniqueFd fd(::openat(directory, name.c_str(), kOpenDirectory));
  if (fd.get() < 0 || ::fchmod(fd.get(), 0700) != 0)
    throw_errno(errno, fmt::format("open '{}'", printable(name)));
  std::vector<std::string> names;
  {
    std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(::dup(fd.get())), &::closedir);
    if (!listing) throw_errno(errno, fmt::format("list '{}'", printable(name)));
    while (const dirent* entry = ::readdir(listing.get()))
      if (std::string_view(entry->d_name) != "." && std::string_view(entry->d_name) != "..")
        names.emplace_back(entry->d_name);
  }
  for (const std::string& below : names) remove_tree_at(fd.get(), below);
  if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    throw_errno(errno, fmt::format("remove '{}'", printable(name)));
}

}  // namespace reverse
