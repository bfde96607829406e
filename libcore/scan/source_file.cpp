#include "libcore/scan/source_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "libcore/base/error.h"
#include "libcore/scan/stat_name.h"

namespace reverse {

namespace {

/// Those of all files that are hashed side by side stay in the processor's second cache.
constexpr std::uint64_t kChunkSize = 64 << 10;
constexpr std::uint64_t kEverything = std::numeric_limits<std::uint64_t>::max();
/// More than a tick of the coarsest kernel clock: a write this close before the reading may share a
/// time stamp with one after it.
constexpr std::int64_t kTickNanoseconds = 20'000'000;

Timestamp shifted(Timestamp time, std::int64_t nanoseconds) {
  timespec moved = to_timespec(time);
  moved.tv_nsec += nanoseconds;
  if (moved.tv_nsec < 0 || moved.tv_nsec >= 1'000'000'000) {
    std::int64_t carry = moved.tv_nsec < 0 ? -1 : 1;
    moved.tv_sec += carry;
    moved.tv_nsec -= carry * 1'000'000'000;
  }
  return to_timestamp(moved);
}

std::string display_of(const SourceEntry& entry) {
  const std::string& directory = entry.directory->path;
  return fmt::format("{}{}{}", directory, directory.ends_with('/') ? "" : "/", entry.name());
}

UniqueFd open_entry(const SourceEntry& entry, const std::string& display) {
  UniqueFd fd(
      open_quietly(entry.directory->fd.get(), entry.name().c_str(), O_RDONLY, entry.status.uid));
  if (!fd && (errno == ELOOP || errno == ENXIO))  // a symlink, a socket
    fail(ErrorKind::changed, "'{}' is no regular file any more", display);
  if (!fd) throw_errno(errno, fmt::format("open '{}'", display));
  return fd;
}

}  // namespace

SourceFile::SourceFile(const SourceEntry& entry)
    : display_(display_of(entry)), reading_since_(now()) {
  fd_ = open_entry(entry, display_);
  opened_ = closed_ = file_status(fd_.get(), "", display_);
  if (opened_.type != FileType::file || !same_inode(opened_, entry.status))
    fail(ErrorKind::changed, "'{}' was replaced since it was listed", display_);
  start();
}

void SourceFile::start() {
  position_ = 0;
  hole_ = false;
  extent_end_ = opened_.sparse() ? 0 : kEverything;
  // One byte more than the file has, so that one read shows both its content and its end.
  make_room(std::min(opened_.size + 1, kChunkSize));
  if (opened_.size > kChunkSize) ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
}

void SourceFile::make_room(std::uint64_t room) {
  if (room <= room_) return;
  buffer_ = std::make_unique_for_overwrite<char[]>(room);
  room_ = room;
}

ByteView SourceFile::next() {
  if (ended_) return {};
  if (position_ >= extent_end_) find_extent();
  ByteView chunk = hole_ ? next_of_hole() : next_of_data();
  position_ += chunk.size();
  // A regular file's reads are short at its end only; a file that ends where it should needs no
  // further proof.
  ended_ = chunk.empty() || (!hole_ && position_ == opened_.size && chunk.size() < room_);
  return chunk;
}

ByteView SourceFile::next_of_hole() const {
  return zero_block().substr(0,
                             std::min<std::uint64_t>(zero_block().size(), extent_end_ - position_));
}

ByteView SourceFile::next_of_data() {
  if (position_ > opened_.size) make_room(kChunkSize);  // it grows, who knows how far
  std::uint64_t wanted = std::min(room_, extent_end_ - position_);
  for (;;) {
    ssize_t n = ::pread(fd_.get(), buffer_.get(), wanted, static_cast<off_t>(position_));
    if (n >= 0) return {buffer_.get(), static_cast<std::size_t>(n)};
    if (errno != EINTR) throw_errno(errno, fmt::format("read '{}'", display_));
  }
}

void SourceFile::find_extent() {
  auto at = static_cast<off_t>(position_);
  off_t data = position_ < opened_.size ? ::lseek(fd_.get(), at, SEEK_DATA) : at;
  if (data < 0 && errno == ENXIO) data = static_cast<off_t>(opened_.size);  // a hole up to the end
  hole_ = data > at;
  if (hole_) {
    extent_end_ = static_cast<std::uint64_t>(data);
    return;
  }
  off_t end = data < 0 || position_ >= opened_.size ? -1 : ::lseek(fd_.get(), at, SEEK_HOLE);
  // No answer: the file system does not tell holes, or the file shrank; reading on finds out.
  extent_end_ = end > at ? static_cast<std::uint64_t>(end) : kEverything;
}

bool SourceFile::changed(bool stable_identity) {
  closed_ = file_status(fd_.get(), "", display_);
  if (closed_.size != opened_.size || closed_.mtime != opened_.mtime || position_ != opened_.size)
    return true;
  if (!stable_identity) return false;
  return closed_.ctime != opened_.ctime ||
         (closed_.ctime >= shifted(reading_since_, -kTickNanoseconds) &&
          closed_.ctime <= shifted(now(), kTickNanoseconds));
}

void SourceFile::rewind() {
  reading_since_ = now();
  opened_ = closed_ = file_status(fd_.get(), "", display_);
  ended_ = false;
  start();
}

}  // namespace reverse
