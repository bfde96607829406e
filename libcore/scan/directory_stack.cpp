#include "libcore/scan/directory_stack.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "libcore/scan/stat_name.h"

namespace reverse {

namespace {

/// How many of the deepest directories stay open for the walk itself.
constexpr std::size_t kKeepOpen = 32;
/// Directories that may be open at once: half of the descriptors, since files are opened in them.
/// Where that would leave too few beside the walk's own, running out of descriptors is the better
/// end than waiting for a visitor that waits for more entries.
std::size_t most_open() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  return std::clamp<std::size_t>(files.rlim_cur / 2, 128, 512);
}

/// O_PATH: names are looked up in it, but it is not read again, so it need not be readable.
UniqueFd open_again(int parent, const std::string& name) {
  return UniqueFd(::openat(parent, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

}  // namespace

std::string joined(std::string_view directory, std::string_view name) {
  std::string path;
  path.reserve(directory.size() + 1 + name.size());
  path += directory;
  if (!path.empty()) path += '/';
  path += name;
  return path;
}

DirectoryStack::DirectoryStack(std::string source, std::stop_token stop)
    : source_(std::move(source)),
      stop_(std::move(stop)),
      places_(std::make_shared<ByteBudget>(most_open())) {}

std::shared_ptr<OpenDirectory> OpenDirectory::make(UniqueFd fd, const std::string& source,
                                                   std::string_view path) {
  auto directory = std::make_shared<OpenDirectory>();
  directory->fd = std::move(fd);
  directory->path = source;
  if (!path.empty()) {
    if (!directory->path.ends_with('/')) directory->path += '/';
    directory->path += path;
  }
  return directory;
}

std::shared_ptr<const SourceDirectory> DirectoryStack::share(
    std::shared_ptr<OpenDirectory> directory) {
  directory->places = places_;
  directory->place = places_->draw(1, stop_);
  return directory;
}

void DirectoryStack::push(Level level, std::string_view name) {
  if (!path_.empty()) path_ += '/';
  path_ += name;
  level.path_size = path_.size();
  levels_.push_back(std::move(level));
  // The source stays open: lost directories are looked for from there.
  if (levels_.size() > kKeepOpen + 1) levels_[levels_.size() - kKeepOpen - 1].directory.reset();
}

void DirectoryStack::pop() {
  auto child = std::move(levels_.back().directory);
  levels_.pop_back();
  if (levels_.empty()) return;
  Level& parent = levels_.back();
  path_.resize(parent.path_size);
  if (parent.directory) return;
  UniqueFd fd = find_parent(child, parent);
  child.reset();
  if (fd) parent.directory = share(made(std::move(fd), path_));
}

std::string DirectoryStack::path_of(std::string_view name) const {
  return joined(path_, name);
}

bool DirectoryStack::is_level(int fd, const Level& level) const {
  FileStatus status;
  return fd >= 0 && stat_name(fd, "", status) == 0 && status.device == level.device &&
         status.inode == level.inode;
}

UniqueFd DirectoryStack::find_parent(const std::shared_ptr<const SourceDirectory>& child,
                                     const Level& parent) const {
  if (child) {
    UniqueFd fd = open_again(child->fd.get(), "..");
    if (is_level(fd.get(), parent)) return fd;  // else the child was moved meanwhile
  }
  return find_from_source();
}

UniqueFd DirectoryStack::find_from_source() const {
  int parent = levels_.front().directory->fd.get();
  UniqueFd fd;
  for (std::size_t i = 1; i < levels_.size(); ++i) {
    std::size_t begin = levels_[i - 1].path_size + (i > 1 ? 1 : 0);
    fd = open_again(parent, path_.substr(begin, levels_[i].path_size - begin));
    if (!is_level(fd.get(), levels_[i])) return {};
    parent = fd.get();
  }
  return fd;
}

}  // namespace reverse
