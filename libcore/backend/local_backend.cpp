#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>

#include "libcore/backend/backend.h"
#include "libcore/backend/directory_modes.h"
#include "libcore/backend/local_file_system.h"
#include "libcore/backend/local_rename.h"
#include "libcore/backend/local_sync.h"
#include "libcore/backend/local_upload.h"
#include "libcore/base/error.h"
#include "libcore/base/pipeline.h"
#include "libcore/base/text.h"

namespace reverse {

namespace {

constexpr std::uint64_t kReadChunk = 1 << 20;
constexpr std::uint64_t kPullChunk = 64 << 10;  ///< of many files at once: they share the cache
constexpr std::size_t kRemovers = 8;      ///< threads
constexpr std::size_t kWorthAThread = 16;  ///< files to remove
constexpr std::uint64_t kReadAhead = 4 << 20;  ///< smaller files are read before advice would help

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using OpenDirectory = std::unique_ptr<DIR, CloseDirectory>;

FileStat to_file_stat(const struct stat& info) {
  return {.type = file_type_of_mode(info.st_mode),
          .size = static_cast<std::uint64_t>(info.st_size),
          .mode = info.st_mode & 07777,
          .mtime = to_timestamp(info.st_mtim),
          .links = info.st_nlink,
          .owner = info.st_uid};
}

LocalUpload& local(Upload* upload) {
  auto* own = dynamic_cast<LocalUpload*>(upload);
  if (own == nullptr) fail(ErrorKind::internal, "publish: not an upload of this backend");
  return *own;
}

/// The bits that files may have below a root with these.
std::uint32_t file_mask_below(std::uint32_t root_mode) {
  bool group = (root_mode & 0050) == 0050;
  bool others = (root_mode & 0005) == 0005;
  return group && !others ? 0770 : 0777;
}

/// The bits of a new directory in this one.
std::uint32_t mode_below(const std::string& directory) {
  struct stat info;
  if (::stat(directory.c_str(), &info) != 0) throw_local(errno, "stat", directory);
  return 0700 | (info.st_mode & 02777);
}

UniqueFd open_for_reading(int directory, const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  UniqueFd fd(::openat(directory, path.c_str(), kFlags | O_NOATIME));
  if (!fd && errno == EPERM)  // somebody else's file
    fd = UniqueFd(::openat(directory, path.c_str(), kFlags));
  return fd;
}

/// Pulls a file's bytes.
class LocalSource final : public ByteSource {
 public:
  /// `fd`: what opening it gave, with its errno. `most`: bytes read at a time.
  LocalSource(UniqueFd fd, std::string name, std::uint64_t most)
      : name_(std::move(name)), fd_(std::move(fd)) {
    struct stat info;
    if (!fd_) throw_local(errno, "open", name_);
    if (::fstat(fd_.get(), &info) != 0) throw_local(errno, "stat", name_);
    if (!S_ISREG(info.st_mode))
      fail(ErrorKind::io, "read {}: not a regular file", quote_path(name_));
    left_ = static_cast<std::uint64_t>(info.st_size);
    if (left_ > kReadAhead) ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    chunk_ = std::min(left_, most);
    buffer_ = std::make_unique_for_overwrite<char[]>(chunk_);
  }
  /// Files here do not grow, so that where one ends need not be asked.
  ByteView next() override {
    if (left_ == 0) return {};
    const std::size_t wanted = std::min<std::uint64_t>(left_, chunk_);
    const std::size_t size = read_full(fd_.get(), buffer_.get(), wanted, name_);
    left_ = size < wanted ? 0 : left_ - size;
    return {buffer_.get(), size};
  }

 private:
  const std::string name_;
  const UniqueFd fd_;
  std::uint64_t left_ = 0, chunk_ = 0;  // bytes
  std::unique_ptr<char[]> buffer_;
};

class LocalBackend final : public Backend, public DirectoryModes {
 public:
  LocalBackend(const std::string& root, Durability durability)
      : root_(root), sync_(root, durability) {
    // Two uploads at once: four were slower on two cores; not measured on more.
    traits_ = {.cheap_stat = true,
               .reliable_listing = true,
               .durable = sync_.durable(),
               .connections = 2};
  }

  const BackendTraits& traits() const override { return traits_; }
  std::string display(const RepoPath& path) const override { return quote_path(full(path)); }

  std::optional<FileStat> stat(const RepoPath& path) override;
  void list(const RepoPath& directory,
            const std::function<void(const ListedFile&)>& visit) override {
    list_wanted(
        directory, [](std::string_view) { return true; }, visit);
  }
  void list_wanted(const RepoPath& directory, const std::function<bool(std::string_view)>& wanted,
                   const std::function<void(const ListedFile&)>& visit) override;
  std::uint64_t read(const RepoPath& path, ByteSink& sink) override;
  std::unique_ptr<ByteSource> open(const RepoPath& path) override;
  void forget_cached(const RepoPath& path) override;

  std::unique_ptr<Upload> create(const RepoPath& path, std::uint32_t mode) override;
  std::vector<MoveResult> publish(std::span<const Publication> publications) override;
  void replace(Upload& upload, const RepoPath& target) override;
  MoveResult move(const RepoPath& from, const RepoPath& to) override;
  bool remove(const RepoPath& path) override;
  std::vector<bool> remove_all(std::span<const RepoPath> paths) override;
  bool make_directory(const RepoPath& path) override;
  void set_mode(const RepoPath& directory, std::uint32_t mode) override;
  bool remove_directory(const RepoPath& path) override;

  void barrier(std::span<const RepoPath> directories) override;
  std::optional<std::uint64_t> free_bytes() override { return free_bytes_at(root_); }

 private:
  struct MadeFile {
    std::string directory;
    std::uint32_t mode;
    bool operator==(const MadeFile&) const = default;
  };

  std::string full(const RepoPath& path) const;
  UniqueFd open_to_read(const RepoPath& path);
  std::uint32_t file_mask();
  bool is_mode_kept(const MadeFile& made);
  void note_mode_kept(const MadeFile& made);
  void note_change(const std::string& path);

  const std::string root_;
  BackendTraits traits_;
  LocalSync sync_;
  std::mutex barrier_mutex_;  ///< held through a barrier: the next may rely on this one's work
  std::mutex mutex_;
  UniqueFd root_fd_;  ///< from where on paths are short; by `mutex_`
  std::set<std::string> changed_;           ///< directories with names not yet durable; by `mutex_`
  std::optional<std::uint32_t> file_mask_;  ///< by `mutex_`
  std::optional<MadeFile> mode_kept_;  ///< the last such file kept its mode, so others will; by `mutex_`
};

std::string LocalBackend::full(const RepoPath& path) const {
  if (path.empty()) return root_;
  return root_ == "/" ? root_ + path : root_ + "/" + path;
}

/// Notes that a name in the directory of `path` came or went.
void LocalBackend::note_change(const std::string& path) {
  std::lock_guard lock(mutex_);
  changed_.insert(parent_of(path));
}

std::uint32_t LocalBackend::file_mask() {
  std::lock_guard lock(mutex_);
  if (!file_mask_) {
    struct stat info;
    if (::stat(root_.c_str(), &info) != 0) throw_local(errno, "stat", root_);
    file_mask_ = file_mask_below(info.st_mode);
  }
  return *file_mask_;
}

bool LocalBackend::is_mode_kept(const MadeFile& made) {
  std::lock_guard lock(mutex_);
  return mode_kept_ == made;
}

void LocalBackend::note_mode_kept(const MadeFile& made) {
  std::lock_guard lock(mutex_);
  mode_kept_ = made;
}

std::optional<FileStat> LocalBackend::stat(const RepoPath& path) {
  std::string name = full(path);
  struct stat info;
  // The root itself may be reached through a symlink.
  if (::fstatat(AT_FDCWD, name.c_str(), &info, path.empty() ? 0 : AT_SYMLINK_NOFOLLOW) == 0)
    return to_file_stat(info);
  if (!certainly_absent(errno, name)) throw_local(errno, "stat", name);
  return std::nullopt;
}

void LocalBackend::list_wanted(const RepoPath& directory,
                               const std::function<bool(std::string_view)>& wanted,
                               const std::function<void(const ListedFile&)>& visit) {
  std::string name = full(directory);
  int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (directory.empty() ? 0 : O_NOFOLLOW);
  UniqueFd fd(::open(name.c_str(), flags));
  if (!fd) throw_local(errno, "list", name);
  OpenDirectory entries(::fdopendir(fd.get()));
  if (!entries) throw_local(errno, "list", name);
  fd.release();
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(entries.get());
    if (entry == nullptr && errno != 0) throw_local(errno, "list", name);
    if (entry == nullptr) return;
    std::string_view child = entry->d_name;
    if (child == "." || child == ".." || !wanted(child)) continue;
    struct stat info;
    if (::fstatat(::dirfd(entries.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0)
      visit({std::string(child), to_file_stat(info)});
    else if (errno != ENOENT)  // a name that went away since then is not listed
      throw_local(errno, "stat", name + "/" + entry->d_name);
  }
}

UniqueFd LocalBackend::open_to_read(const RepoPath& path) {
  int root;
  {
    std::lock_guard lock(mutex_);
    if (!root_fd_) root_fd_ = UniqueFd(::open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    root = root_fd_.get();
  }
  return root < 0 ? UniqueFd() : open_for_reading(root, path);
}

std::uint64_t LocalBackend::read(const RepoPath& path, ByteSink& sink) {
  std::string name = full(path);
  LocalSource source(open_to_read(path), std::move(name), kReadChunk);
  std::uint64_t total = 0;
  for (ByteView bytes = source.next(); !bytes.empty(); bytes = source.next()) {
    sink.write(bytes);
    total += bytes.size();
  }
  return total;
}

std::unique_ptr<ByteSource> LocalBackend::open(const RepoPath& path) {
  std::string name = full(path);
  return std::make_unique<LocalSource>(open_to_read(path), std::move(name), kPullChunk);
}

void LocalBackend::forget_cached(const RepoPath& path) {
  if (UniqueFd fd = open_to_read(path))
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
}

std::unique_ptr<Upload> LocalBackend::create(const RepoPath& path, std::uint32_t mode) {
  sync_.begin();
  const std::string name = full(path);
  const MadeFile made{parent_of(name), mode & file_mask()};
  const bool is_known = is_mode_kept(made);
  auto upload = std::make_unique<LocalUpload>(name, made.mode, is_known, sync_);
  if (!is_known && upload->is_mode_kept()) note_mode_kept(made);
  return upload;
}

std::vector<MoveResult> LocalBackend::publish(std::span<const Publication> publications) {
  std::vector<LocalUpload*> uploads;
  for (const Publication& publication : publications) uploads.push_back(&local(publication.upload));
  LocalUpload::make_durable(uploads, sync_);
  std::vector<MoveResult> results;
  for (std::size_t i = 0; i < uploads.size(); ++i) {
    std::string target = full(publications[i].target);
    results.push_back(rename_without_replacing(uploads[i]->path(), target));
    if (results.back() != MoveResult::done) continue;
    uploads[i]->set_published();
    note_change(target);
  }
  return results;
}

void LocalBackend::replace(Upload& upload, const RepoPath& target) {
  LocalUpload* own = &local(&upload);
  LocalUpload::make_durable({&own, 1}, sync_);
  std::string name = full(target);
  if (::rename(own->path().c_str(), name.c_str()) != 0) throw_local(errno, "replace", name);
  own->set_published();
  note_change(name);
}

MoveResult LocalBackend::move(const RepoPath& from, const RepoPath& to) {
  MoveResult result = rename_without_replacing(full(from), full(to));
  if (result == MoveResult::done) {
    note_change(full(from));
    note_change(full(to));
  }
  return result;
}

bool LocalBackend::remove(const RepoPath& path) {
  std::string name = full(path);
  if (::unlink(name.c_str()) == 0) {
    note_change(name);
    return true;
  }
  if (!certainly_absent(errno, name)) throw_local(errno, "remove", name);
  return false;
}

/// By several threads: on a disk that discards what is freed each waits for the journal, and 12,000
/// files took one thread up to 27 s and eight 2 s (bench/README.md, "Garbage collection").
std::vector<bool> LocalBackend::remove_all(std::span<const RepoPath> paths) {
  std::vector<char> is_removed(paths.size());  // bytes, since threads write side by side
  std::atomic<std::size_t> next = 0;
  auto remove_some = [&] {
    for (std::size_t i = next++; i < paths.size(); i = next++) is_removed[i] = remove(paths[i]);
  };
  Pipeline pipeline{std::stop_token()};
  for (std::size_t i = 1; i < std::min(kRemovers, paths.size() / kWorthAThread); ++i)
    pipeline.start(remove_some);
  pipeline.run_here(remove_some);
  pipeline.wait();
  return {is_removed.begin(), is_removed.end()};
}

bool LocalBackend::make_directory(const RepoPath& path) {
  std::string name = full(path);
  std::uint32_t mode = path.empty() ? 0700 : mode_below(parent_of(name));
  if (::mkdir(name.c_str(), mode & 0777) != 0) {
    if (errno == EEXIST) return false;
    throw_local(errno, "make directory", name);
  }
  note_change(name);
  // The umask or a default ACL may have taken bits away; setgid comes from the parent.
  struct stat info;
  if (::lstat(name.c_str(), &info) != 0) throw_local(errno, "stat", name);
  if ((info.st_mode & 07777) != mode && ::chmod(name.c_str(), mode) != 0 &&
      !lacks_permission_bits(errno))
    throw_local(errno, "chmod", name);
  return true;
}

void LocalBackend::set_mode(const RepoPath& directory, std::uint32_t mode) {
  std::string name = full(directory);
  if (::chmod(name.c_str(), mode) != 0 && !lacks_permission_bits(errno))
    throw_local(errno, "chmod", name);
}

bool LocalBackend::remove_directory(const RepoPath& path) {
  std::string name = full(path);
  if (::rmdir(name.c_str()) == 0) {
    note_change(name);
    return true;
  }
  bool not_empty = errno == ENOTEMPTY || errno == EEXIST;
  if (!not_empty && !certainly_absent(errno, name)) throw_local(errno, "remove directory", name);
  return false;
}

void LocalBackend::barrier(std::span<const RepoPath> directories) {
  std::lock_guard serial(barrier_mutex_);
  std::set<std::string> changed;
  {
    std::lock_guard lock(mutex_);
    changed.swap(changed_);
  }
  std::set<std::string> all = changed;
  for (const RepoPath& directory : directories) all.insert(full(directory));
  try {
    sync_.sync_directories(all);
  } catch (...) {
    std::lock_guard lock(mutex_);
    changed_.merge(changed);
    throw;
  }
}

}  // namespace

std::unique_ptr<Backend> open_local_backend(const std::string& root, Durability durability) {
  std::string absolute = std::filesystem::absolute(root);
  while (absolute.size() > 1 && absolute.ends_with('/')) absolute.pop_back();
  return std::make_unique<LocalBackend>(absolute, durability);
}

}  // namespace reverse
