#include "libcore/backend/sftp/sftp_upload.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "libcore/base/error.h"

namespace reverse::sftp {

namespace {

constexpr std::uint64_t kLargestChunk = 255 << 10;

}  // namespace

/// The part that outlives its upload while replies are under way. The file is synced only when
/// every write was answered, since servers may do later requests before earlier ones.
class SftpUpload::Transfer : public std::enable_shared_from_this<Transfer> {
 public:
  Transfer(std::shared_ptr<const Server> server, std::string handle, bool sync)
      : server_(std::move(server)), handle_(std::move(handle)), sync_(sync) {}

  const std::string& handle() const { return handle_; }

  void send(Request request) {
    {
      std::lock_guard lock(mutex_);
      if (failure_) return;  // the file is lost anyway
      ++under_way_;
    }
    server_->client().submit(std::move(request), [self = shared_from_this()](Reply&& reply) {
      self->answered(std::move(reply));
    });
  }

  /// No more bytes will come.
  void end() {
    std::unique_lock lock(mutex_);
    has_ended_ = true;
    if (under_way_ == 0) go_on(lock);
  }

  /// Waits for the end; the first failure, if there was one.
  std::optional<Reply> wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stage_ == Stage::closed; });
    return failure_;
  }

 private:
  enum class Stage { writing, syncing, closing, closed };

  void answered(Reply&& reply) {
    std::unique_lock lock(mutex_);
    bool failed = reply.lost || reply.status != Status::ok;
    if (failed && !failure_) failure_ = std::move(reply);
    if (stage_ == Stage::writing && (--under_way_ > 0 || !has_ended_)) return;
    go_on(lock);
  }

  /// The next step, once everything of the last one was answered.
  void go_on(std::unique_lock<std::mutex>& lock) {
    if (stage_ == Stage::closing) {
      stage_ = Stage::closed;
      changed_.notify_all();
      return;
    }
    bool syncs = stage_ == Stage::writing && sync_ && !failure_;
    stage_ = syncs ? Stage::syncing : Stage::closing;
    lock.unlock();
    server_->client().submit(
        syncs ? fsync_request(handle_) : close_request(handle_),
        [self = shared_from_this()](Reply&& reply) { self->answered(std::move(reply)); });
  }

  const std::shared_ptr<const Server> server_;
  const std::string handle_;
  const bool sync_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Stage stage_ = Stage::writing;
  std::size_t under_way_ = 0;
  bool has_ended_ = false;
  std::optional<Reply> failure_;
};

SftpUpload::SftpUpload(std::shared_ptr<const Server> server, std::string path,
                       const std::string& handle, bool sync)
    : server_(server),
      path_(std::move(path)),
      chunk_(std::min(server->client().limits().write, kLargestChunk)),
      transfer_(std::make_shared<Transfer>(server, handle, sync)) {}

SftpUpload::~SftpUpload() {
  if (!is_closed_) transfer_->end();
  if (is_published_) return;
  transfer_->wait();  // servers that cannot remove an open file
  server_->client().submit(remove_request(path_), [](Reply&&) {});
}

void SftpUpload::write(ByteView bytes) {
  if (is_closed_) fail(ErrorKind::internal, "write {}: closed", server_->quote(path_));
  if (bytes.empty()) return;
  if (is_hole(bytes)) {
    send_buffer();
    offset_ += bytes.size();
    ends_in_hole_ = true;
    return;
  }
  ends_in_hole_ = false;
  while (!bytes.empty()) {
    std::size_t part = std::min(bytes.size(), chunk_ - buffer_.size());
    buffer_.append(bytes.substr(0, part));
    bytes.remove_prefix(part);
    if (buffer_.size() == chunk_) send_buffer();
  }
}

void SftpUpload::send_buffer() {
  if (buffer_.empty()) return;
  transfer_->send(write_request(transfer_->handle(), offset_, buffer_));
  offset_ += buffer_.size();
  buffer_.clear();
}

void SftpUpload::close() {
  if (std::exchange(is_closed_, true))
    fail(ErrorKind::internal, "close {}: closed", server_->quote(path_));
  send_buffer();
  // A hole at the end is made by its last byte.
  if (ends_in_hole_)
    transfer_->send(write_request(transfer_->handle(), offset_ - 1, std::string_view("\0", 1)));
  std::string().swap(buffer_);
  transfer_->end();
}

void SftpUpload::finish() {
  if (!is_closed_) fail(ErrorKind::internal, "publish {}: not closed", server_->quote(path_));
  if (std::optional<Reply> failure = transfer_->wait())
    server_->throw_failure(*failure, "upload", path_);
}

}  // namespace reverse::sftp
