#include "libcore/backend/local_upload.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "libcore/backend/local_file_system.h"
#include "libcore/base/error.h"

namespace reverse {

namespace {

constexpr std::size_t kBufferSize = 128 << 10;
constexpr std::size_t kWorthACall = 64 << 10;  ///< more is not copied to save a system call

void write_at(int fd, ByteView bytes, std::uint64_t offset, const std::string& path) {
  while (!bytes.empty()) {
    ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_local(errno, "write", path);
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

}  // namespace

LocalUpload::LocalUpload(std::string path, std::uint32_t mode, bool is_mode_kept, LocalSync& sync)
    : path_(std::move(path)), sync_(sync), is_mode_kept_(is_mode_kept) {
  fd_ = UniqueFd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd_) throw_local(errno, "create", path_);
  if (is_mode_kept) return;
  try {
    apply_mode(mode);
  } catch (...) {
    ::unlink(path_.c_str());
    throw;
  }
}

LocalUpload::~LocalUpload() {
  if (keeps_descriptor_) sync_.drop_descriptor();
  if (state_ != State::published) ::unlink(path_.c_str());
}

// The umask or a default ACL may have taken bits away.
void LocalUpload::apply_mode(std::uint32_t mode) {
  struct stat info;
  if (::fstat(fd_.get(), &info) != 0) throw_local(errno, "stat", path_);
  is_mode_kept_ = (info.st_mode & 07777) == mode;
  if (!is_mode_kept_ && ::fchmod(fd_.get(), mode) != 0 && !lacks_permission_bits(errno))
    throw_local(errno, "chmod", path_);
}

template <typename Body>
void LocalUpload::advance(State from, State to, Body body) {
  if (state_ == State::failed)
    fail(ErrorKind::io, "write {}: an earlier write of this file failed", quote_path(path_));
  if (state_ != from) fail(ErrorKind::internal, "upload {}: calls out of order", quote_path(path_));
  state_ = State::failed;
  body();
  state_ = to;
}

void LocalUpload::write(ByteView bytes) {
  if (bytes.empty()) return;
  advance(State::writing, State::writing, [&] { put(bytes); });
}

void LocalUpload::put(ByteView bytes) {
  bool hole = is_hole(bytes);
  if (!hole && bytes.size() < kWorthACall && buffer_.size() + bytes.size() <= kBufferSize) {
    buffer_.append(bytes);
    ends_in_hole_ = false;
    return;
  }
  write_at(fd_.get(), buffer_, offset_, path_);
  offset_ += buffer_.size();
  buffer_.clear();
  if (!hole) write_at(fd_.get(), bytes, offset_, path_);
  offset_ += bytes.size();
  ends_in_hole_ = hole;
}

void LocalUpload::close() {
  advance(State::writing, State::closed, [&] { finish(); });
}

void LocalUpload::finish() {
  write_at(fd_.get(), buffer_, offset_, path_);
  std::string().swap(buffer_);  // a closed upload waits in its batch without one (assignment would keep the room)
  if (ends_in_hole_ && ::ftruncate(fd_.get(), static_cast<off_t>(offset_)) != 0)
    throw_local(errno, "truncate", path_);
  keeps_descriptor_ = sync_.may_keep_descriptor();
  if (keeps_descriptor_) return;
  if (!sync_.can_sync_all()) sync_.sync_file(fd_.get(), path_);
  close_descriptor();
}

void LocalUpload::close_descriptor() {
  if (std::exchange(keeps_descriptor_, false)) sync_.drop_descriptor();
  // Network file systems report a full disk or quota here at the latest.
  if (::close(fd_.release()) != 0 && errno != EINTR) throw_local(errno, "close", path_);
}

void LocalUpload::make_durable(std::span<LocalUpload* const> uploads, LocalSync& sync) {
  // Failed until proven durable: an exception below leaves all of them so.
  for (LocalUpload* upload : uploads) upload->advance(State::closed, State::failed, [] {});
  bool some_closed = std::any_of(uploads.begin(), uploads.end(),
                                 [](const LocalUpload* upload) { return !upload->fd_; });
  bool all_at_once = some_closed && sync.can_sync_all();
  if (all_at_once) {
    sync.sync_all();
  } else if (uploads.size() > 1) {
    // Starts writing all of them back, so that the first fsync does not leave the disk idle for the
    // next.
    for (LocalUpload* upload : uploads)
      if (upload->fd_) ::sync_file_range(upload->fd_.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
  }
  for (LocalUpload* upload : uploads) {
    if (!upload->fd_) continue;
    if (!all_at_once) sync.sync_file(upload->fd_.get(), upload->path_);
    upload->close_descriptor();
  }
  for (LocalUpload* upload : uploads) upload->state_ = State::closed;
}

}  // namespace reverse
