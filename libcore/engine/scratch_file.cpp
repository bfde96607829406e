#include "libcore/engine/scratch_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {

namespace {

std::string name_template() {
  const char* directory = std::getenv("TMPDIR");
  bool is_set = directory != nullptr && *directory != '\0';
  return std::string(is_set ? directory : "/tmp") + "/reverse-XXXXXX";
}

void seek(int fd, std::uint64_t offset, const std::string& name) {
  if (::lseek(fd, static_cast<off_t>(offset), SEEK_SET) < 0)
    throw_errno(errno, fmt::format("seek in '{}'", printable(name)));
}

}  // namespace

std::uint64_t ScratchFile::append(std::string_view bytes) {
  if (!fd_) {
    name_ = name_template();
    fd_ = UniqueFd(::mkostemp(name_.data(), O_CLOEXEC));
    if (!fd_) throw_errno(errno, fmt::format("create '{}'", printable(name_)));
    ::unlink(name_.c_str());
  }
  std::uint64_t offset = size_;
  seek(fd_.get(), offset, name_);
  write_full(fd_.get(), bytes, name_);
  size_ += bytes.size();
  return offset;
}

void ScratchFile::read(std::uint64_t offset, std::span<char> to) {
  seek(fd_.get(), offset, name_);
  if (read_full(fd_.get(), to.data(), to.size(), name_) != to.size())
    fail(ErrorKind::io, "'{}' ends early", printable(name_));
}

void ScratchFile::clear() {
  fd_.reset();
  size_ = 0;
}

}  // namespace reverse
