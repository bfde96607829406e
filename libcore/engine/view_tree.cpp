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
constexpr std::size_t kFew = 4;  // files, or directories, done sooner than a thread is woken for them
constexpr std::size_t kNamesAtOnce = 4096;  // of an update
constexpr std::size_t kMostKept = 512;      // directories that an update keeps open
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

/// The same without that step where need be. Throws the errno's kind.
UniqueFd open_below(int directory, const std::string& path) {
  UniqueFd fd = open_far_below(directory, path.c_str());
  for (std::size_t from = 0; !fd || from > 0;) {
    const std::size_t end = path.find('/', from);
    const std::string name = path.substr(from, end - from);
    fd = UniqueFd(::openat(from == 0 ? directory : fd.get(), name.c_str(), kOpenDirectory));
    if (!fd) throw_errno(errno, fmt::format("open '{}'", printable(path)));
    from = end == std::string::npos ? 0 : end + 1;
  }
  return fd;
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
/// time. What is to become of directories that are there already is collected, so that threads do it
/// directory by directory: first all that goes, since that may make room for links, then what comes.
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
  void replace(const Entry& file) override;
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
  /// A directory that was there, of which names go or come.
  struct Changed {
    std::vector<std::string> going;  // no directories
    std::vector<Entry> coming;       // files
    std::optional<Entry> entry;      // that it gets; otherwise it stays as it was
    std::optional<struct stat> before;  // since it is open to changes
    bool is_opened = false;             // by another mode than that
    UniqueFd fd;                        // of some of those
  };
  int reach(const std::string& directory);
  bool is_new(const std::string& directory) const;
  int reach_to_change(const std::string& directory);
  void open_to_changes(int fd, const std::string& path, Changed& changed);
  void hand_over(const std::string* below);
  void settle();
  void do_removals();
  void do_additions(bool is_end);
  using Step = void (LocalTree::*)(const std::string& path, Changed& changed);
  using Changes = std::map<std::string, Changed>;
  void visit(const std::vector<Changes::value_type*>& directories, Step step);
  void forget(const std::string& directory);
  int open_changed(const std::string& path, const Changed& changed, UniqueFd& fd) const;
  void remove_names(const std::string& path, Changed& changed);
  void add_files(const std::string& path, Changed& changed);
  void make(int parent, const std::string& name, const Entry& entry);
  void make_file_later(const Entry& entry);
  void submit();
  void run(TaskPool::Task task);
  void wait();
  void make_files(const Batch& batch);
  void make_files(int directory, const std::vector<Entry>& files);
  void give(int fd, const Entry& entry);
  void leave(Open& directory);

  const UniqueFd fd_;
  ObjectLinker linker_;
  ViewReport& report_;
  const ViewProblem& problem_;
  std::set<std::string> fresh_;  // directories made here, not finished yet: open to their owner
  Changes changed_;
  std::vector<std::string> going_;     // directories, the innermost first
  std::size_t going_names_ = 0, coming_names_ = 0;  // in `changed_`, and `going_`
  std::size_t replaced_ = 0;           // files that `settle` has not seen done
  std::atomic<std::size_t> kept_ = 0;  // descriptors in `changed_`
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

/// True for a directory that is finished by itself, not by what is collected for it.
bool LocalTree::is_new(const std::string& directory) const {
  return directory.empty() || fresh_.count(directory) > 0;
}

/// `reach` a directory in which names are made or removed now.
int LocalTree::reach_to_change(const std::string& directory) {
  const int fd = reach(directory);
  if (!is_new(directory)) open_to_changes(fd, directory, changed_[directory]);
  return fd;
}

/// The view itself keeps the mode that it was made with. Whoever may write anyhow, as root, is spared
/// two changes of mode.
void LocalTree::open_to_changes(int fd, const std::string& path, Changed& changed) {
  if (path.empty() || changed.before) return;
  struct stat before;
  const bool is_known = ::fstat(fd, &before) == 0;
  changed.is_opened = ::faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0;
  if (!is_known || (changed.is_opened && ::fchmod(fd, 0700) != 0))
    throw_errno(errno, fmt::format("open '{}' to changes", printable(path)));
  changed.before = before;
}

void LocalTree::add(const Entry& entry) {
  if (entry.path.empty()) return;
  settle();
  const bool is_file = entry.type == FileType::file && entry.digest;
  const std::string parent = parent_of(entry.path);
  if (is_file && !is_new(parent)) {
    changed_[parent].coming.push_back(entry);
    if (++coming_names_ >= kNamesAtOnce) do_additions(false);
    return;
  }
  do_removals();
  if (is_file) {
    reach(parent);
    make_file_later(entry);
  } else {
    make(reach_to_change(parent), name_of(entry.path), entry);
  }
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
  run([this, batch] { make_files(*batch); });
}

/// In a thread of the pool.
void LocalTree::run(TaskPool::Task task) {
  try {
    pool_.submit(std::move(task));
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
  make_files(batch.directory ? batch.directory->fd.get() : fd_.get(), batch.files);
  if (batch.directory) leave(*batch.directory);
}

void LocalTree::make_files(int directory, const std::vector<Entry>& files) {
  for (const Entry& entry : files) {
    try {
      linker_.make(directory, name_of(entry.path), entry);
      std::lock_guard lock(mutex_);
      ++report_.files;
    } catch (const Error& error) {
      if (!is_about_content(error)) throw;
      std::lock_guard lock(mutex_);
      ++report_.damaged;
      problem_(entry.path, error.what());
    }
  }
}

/// The last one gives the directory what its entry says.
void LocalTree::leave(Open& directory) {
  if (--directory.under_way == 0 && directory.entry) give(directory.fd.get(), *directory.entry);
}

void LocalTree::give(int fd, const Entry& entry) {
  if (linker_.clones()) return linker_.metadata().apply(fd, entry, entry.path);
  const timespec times[2] = {time_of(entry.mtime), time_of(entry.mtime)};
  if (::fchmod(fd, 0555) != 0 || ::futimens(fd, times) != 0)
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

void LocalTree::replace(const Entry& file) {
  const std::string directory = parent_of(file.path);
  Changed& changed = changed_[directory];
  changed.going.push_back(name_of(file.path));
  changed.coming.push_back(file);
  ++report_.removed;
  if (++replaced_ % kBatch == 0) hand_over(&directory);
}

/// Has a thread do what is collected, but for directories in which there may be more to do once the
/// order of paths has come to `below`: two threads must not be at one.
void LocalTree::hand_over(const std::string* below) {
  auto left = std::make_shared<Changes>();
  for (auto next = changed_.begin(); next != changed_.end();) {
    const auto each = next++;
    if (below == nullptr || !is_below(*below, each->first)) left->insert(changed_.extract(each));
  }
  if (left->empty()) return;
  run([this, left] {
    for (auto& [path, changed] : *left) {
      remove_names(path, changed);
      add_files(path, changed);
      if (changed.fd) --kept_;
    }
  });
}

/// Until files are replaced.
void LocalTree::settle() {
  if (std::exchange(replaced_, 0) == 0) return;
  hand_over(nullptr);
  wait();
}

void LocalTree::remove(const std::string& path, bool is_directory) {
  settle();
  if (is_directory)
    going_.push_back(path);
  else
    changed_[parent_of(path)].going.push_back(name_of(path));
  ++report_.removed;
  if (++going_names_ >= kNamesAtOnce) do_removals();
}

/// Files first, so that directories are empty then.
void LocalTree::do_removals() {
  if (std::exchange(going_names_, 0) == 0) return;
  std::vector<Changes::value_type*> directories;
  for (auto& each : changed_)
    if (!each.second.going.empty()) directories.push_back(&each);
  visit(directories, &LocalTree::remove_names);
  for (const std::string& path : std::exchange(going_, {})) {
    const int parent = reach_to_change(parent_of(path));
    if (::unlinkat(parent, name_of(path).c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
      throw_errno(errno, fmt::format("remove '{}'", printable(path)));
    forget(path);
  }
}

/// Of the directories that get files; at the end of all that were changed, which are then as they
/// should be.
void LocalTree::do_additions(bool is_end) {
  do_removals();
  coming_names_ = 0;
  std::vector<Changes::value_type*> directories;
  for (auto& each : changed_)
    if (is_end || !each.second.coming.empty()) directories.push_back(&each);
  visit(directories, &LocalTree::add_files);
  for (const auto* each : directories) forget(std::string(each->first));
}

void LocalTree::forget(const std::string& directory) {
  const auto place = changed_.find(directory);
  if (place == changed_.end()) return;
  if (place->second.fd) --kept_;
  changed_.erase(place);
}

/// Takes `step` for each, by several threads.
void LocalTree::visit(const std::vector<Changes::value_type*>& directories, Step step) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < directories.size(); i = next++)
      (this->*step)(directories[i]->first, directories[i]->second);
  };
  if (directories.size() <= kFew) return work();
  for (unsigned i = 0; i < kThreads; ++i) run(work);
  wait();
}

/// A descriptor of the directory, which `fd` owns if it was opened for that.
int LocalTree::open_changed(const std::string& path, const Changed& changed, UniqueFd& fd) const {
  if (path.empty()) return fd_.get();
  if (changed.fd) return changed.fd.get();
  fd = open_below(fd_.get(), path);
  return fd.get();
}

/// In a thread of the pool.
void LocalTree::remove_names(const std::string& path, Changed& changed) {
  UniqueFd fd;
  const int directory = open_changed(path, changed, fd);
  open_to_changes(directory, path, changed);
  for (const std::string& name : std::exchange(changed.going, {}))
    if (::unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT)
      throw_errno(errno, fmt::format("remove '{}' in '{}'", printable(name), printable(path)));
  if (!fd || kept_ >= kMostKept) return;
  ++kept_;
  changed.fd = std::move(fd);
}

/// In a thread of the pool.
void LocalTree::add_files(const std::string& path, Changed& changed) {
  UniqueFd fd;
  const int directory = open_changed(path, changed, fd);
  if (!changed.coming.empty()) open_to_changes(directory, path, changed);
  make_files(directory, changed.coming);
  if (changed.entry) return give(directory, *changed.entry);
  if (!changed.before) return;
  const timespec times[2] = {changed.before->st_atim, changed.before->st_mtim};
  const bool is_closed =
      !changed.is_opened || ::fchmod(directory, changed.before->st_mode & 07777) == 0;
  if (!is_closed || ::futimens(directory, times) != 0)
    throw_errno(errno, fmt::format("set mode and time of '{}'", printable(path)));
}

void LocalTree::finish(const Entry& directory) {
  if (directory.path.empty()) return;  // the view itself keeps the mode that it was made with
  settle();
  if (fresh_.erase(directory.path) == 0) {
    changed_[directory.path].entry = directory;
    return;
  }
  reach(directory.path);
  submit();
  open_.back()->entry = directory;
  leave(*open_.back());
}

void LocalTree::flush() {
  settle();
  wait();
  do_additions(true);
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
