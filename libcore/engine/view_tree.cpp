#include "libcore/engine/view_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {

namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
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

}  // namespace

/// An open descriptor of a directory; what is on the way to it stays open for the next one.
int ViewTree::reach(const std::string& directory) {
  while (!open_.empty() && !is_below(directory, open_.back().path)) open_.pop_back();
  while (open_.empty() ? !directory.empty() : open_.back().path != directory) {
    const std::size_t from = open_.empty() ? 0 : open_.back().path.size() + 1;
    const std::string next = directory.substr(0, directory.find('/', from));
    const int above = open_.empty() ? fd_ : open_.back().fd.get();
    UniqueFd fd(::openat(above, next.c_str() + from, kOpenDirectory));
    if (fd.get() < 0) throw_errno(errno, fmt::format("open '{}'", printable(next)));
    open_.push_back({next, std::move(fd)});
  }
  return open_.empty() ? fd_ : open_.back().fd.get();
}

/// The directory that `path` lies in, in which names are made or removed now.
int ViewTree::open_parent(const std::string& path) {
  const std::string parent = parent_of(path);
  const int fd = reach(parent);
  if (touched_.insert(parent).second && !parent.empty() && ::fchmod(fd, 0700) != 0)
    throw_errno(errno, fmt::format("chmod '{}'", printable(parent)));
  return fd;
}

void ViewTree::add(const Entry& entry) {
  if (entry.path.empty()) {
    touched_.insert("");
    return;
  }
  const int parent = open_parent(entry.path);
  try {
    make(parent, name_of(entry.path), entry);
  } catch (const Error& error) {
    if (!is_about_content(error)) throw;
    ++report_.damaged;
    problem_(entry.path, error.what());
  }
}

void ViewTree::make(int parent, const std::string& name, const Entry& entry) {
  if (entry.type == FileType::directory || entry.type == FileType::repository) {
    if (::mkdirat(parent, name.c_str(), 0700) != 0)
      throw_errno(errno, fmt::format("make '{}'", printable(entry.path)));
    touched_.insert(entry.path);
    ++report_.directories;
  } else if (entry.type == FileType::symlink) {
    if (::symlinkat(entry.target.c_str(), parent, name.c_str()) != 0)
      throw_errno(errno, fmt::format("make '{}'", printable(entry.path)));
    set_symlink_time(parent, name, entry.mtime);
    ++report_.symlinks;
  } else if (entry.type == FileType::file && entry.digest) {
    linker_.make(parent, name, entry);
    ++report_.files;
  } else {
    ++report_.left_out;
  }
}

void ViewTree::remove(const std::string& path, bool is_directory) {
  const int parent = open_parent(path);
  if (::unlinkat(parent, name_of(path).c_str(), is_directory ? AT_REMOVEDIR : 0) != 0 &&
      errno != ENOENT)
    throw_errno(errno, fmt::format("remove '{}'", printable(path)));
  if (is_directory) touched_.erase(path);
  ++report_.removed;
}

void ViewTree::finish(const Entry& directory) {
  if (directory.path.empty()) return;  // the view itself keeps the mode that it was made with
  const int fd = reach(directory.path);
  if (linker_.clones()) return linker_.metadata().apply(fd, directory, directory.path);
  const timespec times[2] = {time_of(directory.mtime), time_of(directory.mtime)};
  if (::fchmod(fd, 0555) != 0 || ::futimens(fd, times) != 0)
    throw_errno(errno, fmt::format("set mode and time of '{}'", printable(directory.path)));
}

void remove_tree(int directory, const std::string& name) {
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
  for (const std::string& below : names) remove_tree(fd.get(), below);
  if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    throw_errno(errno, fmt::format("remove '{}'", printable(name)));
}

}  // namespace reverse
