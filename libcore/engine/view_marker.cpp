#include "libcore/engine/view_marker.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {

namespace {

constexpr std::string_view kHeader = "# reverse view 1\n";
constexpr std::string_view kSuffix = ".reverse-view";

std::string marker_path(const std::string& directory) {
  const std::size_t slash = directory.rfind('/');
  return fmt::format("{}/.{}{}", directory.substr(0, slash), directory.substr(slash + 1), kSuffix);
}

/// True if `fd` is still the file at `path`: who waits for a lock may find it removed.
bool is_at(int fd, const std::string& path) {
  struct stat opened, named;
  return ::fstat(fd, &opened) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

}  // namespace

std::optional<std::string> ViewMarker::view_name(std::string_view file_name) {
  if (!file_name.starts_with('.') || !file_name.ends_with(kSuffix) ||
      file_name.size() <= kSuffix.size() + 1)
    return std::nullopt;
  return std::string(file_name.substr(1, file_name.size() - kSuffix.size() - 1));
}

std::optional<ViewMarker> ViewMarker::open(const std::string& directory, bool create) {
  const std::string path = marker_path(directory);
  const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0);
  UniqueFd fd(::open(path.c_str(), flags, 0600));
  if (fd.get() < 0) {
    if (errno == ENOENT && !create) return std::nullopt;
    throw_errno(errno, fmt::format("open '{}'", printable(path)));
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 || !is_at(fd.get(), path))
    fail(ErrorKind::busy, "another process is working at the view '{}'", printable(directory));
  return ViewMarker(std::move(fd), path);
}

ViewState ViewMarker::read() const {
  ViewState state;
  std::string text(64 << 10, '\0');
  text.resize(read_full(fd_.get(), text.data(), text.size(), path_));
  if (::lseek(fd_.get(), 0, SEEK_SET) != 0) throw_errno(errno, "seek '" + printable(path_) + "'");
  if (!text.starts_with(kHeader)) return state;
  auto value = [&](std::string_view key) {
    const std::string line = fmt::format("\n{}: ", key);
    const std::size_t begin = text.find(line);
    if (begin == std::string::npos) return std::string();
    const std::size_t at = begin + line.size();
    return text.substr(at, text.find('\n', at) - at);
  };
  state.repository = value("repository");
  state.revision = value("revision");
  state.tree = value("tree");
  state.is_cloned = value("files") == "clones";
  state.is_whole = value("state") == "whole";
  return state;
}

void ViewMarker::write(const ViewState& state) {
  const std::string text =
      fmt::format("{}repository: {}\nrevision: {}\ntree: {}\nfiles: {}\nstate: {}\n", kHeader,
                  state.repository, state.revision, state.tree,
                  state.is_cloned ? "clones" : "links", state.is_whole ? "whole" : "begun");
  if (::ftruncate(fd_.get(), 0) != 0 || ::lseek(fd_.get(), 0, SEEK_SET) != 0)
    throw_errno(errno, fmt::format("write '{}'", printable(path_)));
  write_full(fd_.get(), text, path_);
  if (::lseek(fd_.get(), 0, SEEK_SET) != 0) throw_errno(errno, "seek '" + printable(path_) + "'");
}

void ViewMarker::remove() {
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT)
    throw_errno(errno, fmt::format("remove '{}'", printable(path_)));
}

}  // namespace reverse
