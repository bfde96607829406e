#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/text.h"
#include "libcore/engine/view_site.h"
#include "libcore/engine/view_tree.h"

namespace reverse {

namespace {

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')) + "/"; }
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// True if `fd` is still the file at `path`: who waits for a lock may find it removed.
bool is_at(int fd, const std::string& path) {
  struct stat opened, named;
  return ::fstat(fd, &opened) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/// While it is open no other process works at that view.
class LocalMarker : public ViewMarker {
 public:
  /// nullptr if there is none.
  static std::unique_ptr<LocalMarker> open(const std::string& directory, bool create);

  ViewState read() override;
  void write(const ViewState& state) override;
  void remove() override;

 private:
  LocalMarker(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  void rewind();

  UniqueFd fd_;
  const std::string path_;
};

std::unique_ptr<LocalMarker> LocalMarker::open(const std::string& directory, bool create) {
  const std::string path = path_of(directory);
  const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0);
  UniqueFd fd(::open(path.c_str(), flags, 0600));
  if (fd.get() < 0) {
    if (errno == ENOENT && !create) return nullptr;
    if (errno == ENOENT)
      fail_without_parent("'" + printable(directory.substr(0, directory.rfind('/'))) + "'");
    throw_errno(errno, fmt::format("open '{}'", printable(path)));
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 || !is_at(fd.get(), path))
    fail(ErrorKind::busy, "another process is working at the view '{}'", printable(directory));
  return std::unique_ptr<LocalMarker>(new LocalMarker(std::move(fd), path));
}

void LocalMarker::rewind() {
  if (::lseek(fd_.get(), 0, SEEK_SET) != 0) throw_errno(errno, "seek '" + printable(path_) + "'");
}

ViewState LocalMarker::read() {
  std::string text(64 << 10, '\0');
  text.resize(read_full(fd_.get(), text.data(), text.size(), path_));
  rewind();
  return parse_view_state(text);
}

void LocalMarker::write(const ViewState& state) {
  if (::ftruncate(fd_.get(), 0) != 0)
    throw_errno(errno, fmt::format("write '{}'", printable(path_)));
  rewind();
  write_full(fd_.get(), format_view_state(state), path_);
  rewind();
}

void LocalMarker::remove() {
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT)
    throw_errno(errno, fmt::format("remove '{}'", printable(path_)));
}

class LocalViews : public ViewSite {
 public:
  explicit LocalViews(std::string root) : root_(std::move(root)) {}

  std::string quote(const std::string& path) const override {
    return fmt::format("'{}'", printable(path));
  }
  bool is_in_repository(const std::string& path) const override;
  std::unique_ptr<ViewMarker> open_marker(const std::string& directory, bool create) override {
    return LocalMarker::open(directory, create);
  }
  std::vector<std::optional<ViewState>> states(const std::vector<std::string>& views) override;
  std::optional<std::uint32_t> mode_of(const std::string& path) override;
  void make_directory(const std::string& path, std::uint32_t mode) override;
  void expect(const Repository&, std::uint64_t) override {}
  std::unique_ptr<ViewTree> open_tree(const Repository& repository, const std::string& directory,
                                      ViewReport& report, const ViewProblem& problem) override {
    return open_local_tree(repository, root_, directory, report, problem);
  }
  void remove_tree(const std::string& path) override {
    remove_tree_at(open_file(parent_of(path), O_RDONLY | O_DIRECTORY).get(), name_of(path));
  }
  std::vector<ListedFile> list(const std::string& directory) override;
  void point(const std::string& path, const std::string& target) override;
  void remove_symlink(const std::string& path) override;
  void remove_if_empty(const std::string& directory) override { ::rmdir(directory.c_str()); }

 private:
  const std::string root_;
};

/// By whatever symlinks it is reached.
bool LocalViews::is_in_repository(const std::string& path) const {
  namespace fs = std::filesystem;
  if (root_.empty()) return false;
  std::error_code error;
  const fs::path place = fs::weakly_canonical(path, error), root = fs::canonical(root_, error);
  return !error && (place.string() + "/").starts_with(root.string() + "/");
}

std::vector<std::optional<ViewState>> LocalViews::states(const std::vector<std::string>& views) {
  std::vector<std::optional<ViewState>> found;
  for (const std::string& view : views) {
    const std::unique_ptr<LocalMarker> marker = LocalMarker::open(view, false);
    found.push_back(marker ? std::optional(marker->read()) : std::nullopt);
  }
  return found;
}

std::optional<std::uint32_t> LocalViews::mode_of(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) == 0) return status.st_mode & 07777;
  if (errno != ENOENT) throw_errno(errno, fmt::format("look at {}", quote(path)));
  return std::nullopt;
}

void LocalViews::make_directory(const std::string& path, std::uint32_t mode) {
  if (::mkdir(path.c_str(), 0700) != 0 || ::chmod(path.c_str(), mode) != 0)
    throw_errno(errno, fmt::format("make {}", quote(path)));
}

std::vector<ListedFile> LocalViews::list(const std::string& directory) {
  const std::unique_ptr<Backend> backend = open_local_backend(directory);
  std::vector<ListedFile> files;
  backend->list("", [&](const ListedFile& file) { files.push_back(file); });
  return files;
}

void LocalViews::point(const std::string& path, const std::string& target) {
  const std::string draft = path + ".new";
  ::unlink(draft.c_str());
  if (::symlink(target.c_str(), draft.c_str()) != 0 || ::rename(draft.c_str(), path.c_str()) != 0)
    throw_errno(errno, fmt::format("link {}", quote(path)));
}

void LocalViews::remove_symlink(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode)) ::unlink(path.c_str());
}

}  // namespace

std::unique_ptr<ViewSite> open_local_views(std::string root) {
  return std::make_unique<LocalViews>(std::move(root));
}

}  // namespace reverse
