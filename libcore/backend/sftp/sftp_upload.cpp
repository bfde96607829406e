#include "libcore/backend/sftp/sftp_upload.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "libcore/backend/sftp/sftp_read.h"
#include "libcore/base/error.h"
#include "libcore/base/units.h"

namespace reverse::sftp {

namespace {

/// Several go into the smallest `OutWindow`; for 128 KiB or more OpenSSH's server asks the system for memory each time.
constexpr std::uint64_t kLargestChunk = 64 << 10;
constexpr std::uint64_t kSafeChunk = 32 << 10;    // what every server takes
constexpr std::uint64_t kWidenEvery = 4 << 20;
constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kMostUnopened = 256 << 10;  // bytes that wait until the file is there
/// Not even its owner may open a file that nobody may write.
constexpr std::uint32_t kOwnerWrites = 0200;
constexpr std::size_t kMostWaiting = 16 << 20;    // of all uploads: then no other one begins
constexpr char kWriteAct[] = "write";
constexpr int kOpenTries = 100;  // round trips: others close their files meanwhile
constexpr std::size_t kFewestOpen = 2;  // a head's temporary stays open while all else is uploaded

/// As much as the server takes at a time, if it has told; never waits for that.
std::size_t chunk_of(Client& client) {
  return std::min(client.was_ready() ? client.limits().write : kSafeChunk, kLargestChunk);
}

}  // namespace

OpenUploads::~OpenUploads() {
  std::unique_lock lock(mutex_);
  left_.wait(lock, [this] { return removals_ == 0; });
}

void OpenUploads::remove(Client& client, const std::string& path) {
  {
    std::lock_guard lock(mutex_);
    ++removals_;
  }
  client.submit(remove_request(path), [this](Reply&&) {
    std::lock_guard lock(mutex_);
    --removals_;
    left_.notify_all();
  });
}

void OpenUploads::enter(std::size_t most) {
  std::unique_lock lock(mutex_);
  left_.wait(lock, [&] { return count_ < std::min(most, most_) && waiting_bytes_ < kMostWaiting; });
  ++count_;
}

void OpenUploads::note_open() {
  std::lock_guard lock(mutex_);
  ++open_;
}

void OpenUploads::leave(bool was_open) {
  std::lock_guard lock(mutex_);
  --count_;
  if (was_open) --open_;
  left_.notify_one();
}

bool OpenUploads::make_do() {
  std::lock_guard lock(mutex_);
  if (open_ > 0) most_ = std::min(most_, std::max<std::size_t>(open_, kFewestOpen));
  return open_ > 0;
}

void OpenUploads::begin_waiting(std::size_t bytes) {
  std::lock_guard lock(mutex_);
  waiting_bytes_ += bytes;
}

void OpenUploads::end_waiting(std::size_t bytes) {
  std::lock_guard lock(mutex_);
  waiting_bytes_ -= bytes;
  left_.notify_all();
}

/// The part that outlives its upload while replies are under way. The file is synced only when
/// every write was answered, since servers may do later requests before earlier ones.
class SftpUpload::Transfer : public std::enable_shared_from_this<Transfer> {
 public:
  Transfer(const Server& server, Client& client, OpenUploads& open, bool sync)
      : server_(server), open_(open), sync_(sync), lanes_{{&client, "", 0}} {}

  void begin(const Request& request, int tries = 1) {
    lanes_[0].client->submit(
        request, [self = shared_from_this(), request, tries](Reply&& reply) {
          // Version 3 has no word for too many open files.
          if (sftp::has_failed(reply) && tries < kOpenTries && self->open_.make_do())
            self->begin(request, tries + 1);
          else
            self->opened(std::move(reply));
        });
  }

  bool is_writing() {
    std::lock_guard lock(mutex_);
    return stage_ == Stage::writing && !failure_;
  }
  bool is_carried_by(const Client& client) {
    std::lock_guard lock(mutex_);
    return std::ranges::any_of(lanes_, [&](const Lane& lane) { return lane.client == &client; });
  }
  /// Another handle on the file, by which it is written as well. Only while `is_writing`.
  void add_lane(Client& client, std::string handle) {
    std::lock_guard lock(mutex_);
    lanes_.push_back({&client, std::move(handle), 0});
  }

  void remove(const std::string& path) { open_.remove(client(), path); }

  void write(std::uint64_t offset, std::string bytes) {
    std::unique_lock lock(mutex_);
    if (failure_) return;  // the file is lost anyway
    const std::string& piece = pieces_[offset] = std::move(bytes);
    if (stage_ == Stage::opening) {
      waiting_bytes_ += piece.size();
      open_.begin_waiting(piece.size());
      changed_.wait(lock, [this] { return waiting_bytes_ <= kMostUnopened || is_open(); });
      return;
    }
    if (loss_) return;  // it goes with the others that were not confirmed
    const auto idlest = std::ranges::min_element(lanes_, {}, &Lane::under_way);
    const auto number = static_cast<std::size_t>(idlest - lanes_.begin());
    ++under_way_;
    ++idlest->under_way;
    lock.unlock();
    send(kWriteAct, number, write_request(idlest->handle, offset, piece), offset);
  }

  /// No more bytes will come.
  void end() {
    std::unique_lock lock(mutex_);
    has_ended_ = true;
    if (stage_ == Stage::writing) go_on(lock);
  }

  struct Failure {
    const char* act;  ///< "write": which step failed
    Reply reply;
  };

  /// Waits until the file is there; what the server said if it is not.
  std::optional<Failure> wait_open() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_open(); });
    return was_made() ? std::nullopt : failure_;
  }

  /// Waits for the end; the first failure, if there was one.
  std::optional<Failure> wait_closed() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stage_ == Stage::closed; });
    return failure_ ? failure_ : loss_;
  }

  /// True if a connection was lost, and nothing worse happened.
  bool is_lost() {
    std::lock_guard lock(mutex_);
    return loss_ && !failure_ && was_made();
  }
  /// Waits until nothing is under way on connections that were lost.
  void wait_idle() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return under_way_ == 0; });
  }
  /// Goes on by another handle, sending again what was not confirmed. After `wait_idle`.
  void resume(Client& client, std::string handle) {
    std::unique_lock lock(mutex_);
    const bool was_open = stage_ != Stage::closed;
    const std::deque<Lane> old =
        std::exchange(lanes_, std::deque<Lane>{{&client, std::move(handle), 0}});
    loss_.reset();
    stage_ = Stage::opening;
    note_open();
    lock.unlock();
    for (const Lane& lane : old)
      if (was_open && !lane.handle.empty())
        lane.client->submit(close_request(lane.handle), [](Reply&&) {});
    lock.lock();
    send_kept(lock);
  }
  /// Of the `written` bytes so many from the beginning were confirmed.
  std::uint64_t confirmed(std::uint64_t written) {
    std::lock_guard lock(mutex_);
    if (!was_made()) return 0;
    return pieces_.empty() ? written : pieces_.begin()->first;
  }
  /// True if something worse happened than the loss of a connection.
  bool has_failed() {
    std::lock_guard lock(mutex_);
    return failure_.has_value();
  }
  Client& client() { return *lanes_[0].client; }
  bool was_made() const { return !lanes_[0].handle.empty(); }

 private:
  enum class Stage { opening, writing, syncing, closing, closed };
  /// A connection that carries the file, by a handle of its own.
  struct Lane {
    Client* client = nullptr;
    std::string handle;  // constant once open
    std::size_t under_way = 0;  // requests
  };

  bool is_open() const { return stage_ != Stage::opening; }

  /// `piece`: the offset of what is written.
  void send(const char* act, std::size_t lane, Request request, std::uint64_t piece = kNever) {
    lanes_[lane].client->submit(
        std::move(request), [self = shared_from_this(), act, lane, piece](Reply&& reply) {
          self->answered(act, lane, piece, std::move(reply));
        });
  }

  /// Sends what has waited for the file. Until that is done later bytes wait as well, and so does
  /// the close: where it overtook a write, that would go to whatever file gets the handle next.
  void opened(Reply&& reply) {
    std::unique_lock lock(mutex_);
    if (reply.type != PacketType::handle) {
      pieces_.clear();
      open_.end_waiting(std::exchange(waiting_bytes_, 0));
      failure_ = {"create", std::move(reply)};
      return close_stage();
    }
    lanes_[0].handle = std::move(reply.handle);
    note_open();
    send_kept(lock);
  }

  /// With the lock.
  void note_open() {
    if (!std::exchange(was_open_, true)) open_.note_open();
  }

  /// Sends all that is kept, in order, and ends `Stage::opening`.
  void send_kept(std::unique_lock<std::mutex>& lock) {
    for (auto next = pieces_.begin(); next != pieces_.end();) {
      const auto& [offset, bytes] = *next;
      const std::uint64_t sent = offset;
      ++under_way_;
      ++lanes_[0].under_way;
      lock.unlock();
      send(kWriteAct, 0, write_request(lanes_[0].handle, sent, bytes), sent);
      lock.lock();
      next = pieces_.upper_bound(sent);  // others were confirmed and came meanwhile
    }
    open_.end_waiting(std::exchange(waiting_bytes_, 0));
    stage_ = Stage::writing;
    changed_.notify_all();
    go_on(lock);
  }

  void answered(const char* act, std::size_t lane, std::uint64_t piece, Reply&& reply) {
    std::unique_lock lock(mutex_);
    if (is_done(reply)) {
      pieces_.erase(piece);
    } else {
      std::optional<Failure>& kind = reply.lost ? loss_ : failure_;
      if (!kind) kind = {act, std::move(reply)};
    }
    --under_way_;
    --lanes_[lane].under_way;
    if (loss_ && under_way_ == 0) changed_.notify_all();
    go_on(lock);
  }

  /// The next step, once everything of the last one was answered. Where order is kept, as on one
  /// lane of OpenSSH's, all the rest goes at once: a failed write shows in its own reply. One sync is
  /// enough for all lanes: it is the file that is synced.
  void go_on(std::unique_lock<std::mutex>& lock) {
    if (!has_ended_ || stage_ == Stage::opening) return;
    if (stage_ == Stage::closing) {
      if (under_way_ == 0) close_stage();
      return;
    }
    Client& first = *lanes_[0].client;
    const bool keeps_order = server_.keeps_order(first);  // greeted: it has opened the file
    if (under_way_ > 0 && !(keeps_order && lanes_.size() == 1)) return;
    const bool syncs = stage_ == Stage::writing && sync_ && !failure_ && !loss_ && Server::syncs_files(first);
    const bool closes = !syncs || keeps_order;
    stage_ = closes ? Stage::closing : Stage::syncing;
    lanes_[0].under_way += syncs ? 1 : 0;
    under_way_ += (syncs ? 1 : 0) + (closes ? lanes_.size() : 0);
    for (Lane& lane : lanes_) lane.under_way += closes ? 1 : 0;
    lock.unlock();
    if (syncs) send("sync", 0, fsync_request(lanes_[0].handle));
    for (std::size_t i = 0; closes && i < lanes_.size(); ++i)
      send("close", i, close_request(lanes_[i].handle));
    lock.lock();
  }

  /// The end. With the lock.
  void close_stage() {
    stage_ = Stage::closed;
    if (!std::exchange(has_left_, true)) open_.leave(was_open_);
    changed_.notify_all();
  }

  const Server& server_;
  OpenUploads& open_;
  const bool sync_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Stage stage_ = Stage::opening;
  std::deque<Lane> lanes_;  // the first made the file; references to them stay valid
  std::map<std::uint64_t, std::string> pieces_;  // by offset: written and not confirmed
  std::size_t waiting_bytes_ = 0;                // of them, for the file to be there
  std::size_t under_way_ = 0;
  bool has_ended_ = false;
  bool was_open_ = false, has_left_ = false;  // as `open_` knows it
  std::optional<Failure> failure_;
  std::optional<Failure> loss_;  // of a connection; the file may yet be whole
};

SftpUpload::SftpUpload(const Server& server, Client& client, OpenUploads& open, std::string path,
                       std::uint32_t mode, bool sync, std::uint64_t stripe_from,
                       std::optional<Begun> begun)
    : server_(server),
      path_(std::move(path)),
      mode_(mode),
      sync_(sync),
      generation_(server.pool().generation()),
      chunk_(chunk_of(client)),
      transfer_(std::make_shared<Transfer>(server, client, open, sync)),
      there_(begun ? begun->there : 0),
      stripe_from_(stripe_from),
      widen_at_(stripe_from),
      is_in_doubt_(begun.has_value()) {
  if (begun)
    transfer_->resume(client, std::move(begun->handle));
  else
    transfer_->begin(open_request(path_, kWrite | kCreate | kExclusive, mode));
}

SftpUpload::~SftpUpload() {
  if (!is_closed_) transfer_->end();
  if (is_published_ || (is_kept_ && !transfer_->has_failed())) return;
  transfer_->wait_closed();  // servers that cannot remove an open file
  if (transfer_->was_made()) transfer_->remove(path_);
}

bool SftpUpload::is_synced() const {
  return is_settled_ || (sync_ && Server::syncs_files(transfer_->client()));
}

void SftpUpload::write(ByteView bytes) {
  if (is_closed_) fail(ErrorKind::internal, "write {}: closed", server_.quote(path_));
  if (offset_ < there_) {
    const std::uint64_t known = std::min<std::uint64_t>(bytes.size(), there_ - offset_);
    offset_ += known;
    bytes.remove_prefix(known);
  }
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
  const std::uint64_t size = buffer_.size();
  server_.pool().pace_upload(size);
  transfer_->write(offset_, std::exchange(buffer_, {}));
  offset_ += size;
  if (offset_ >= widen_at_) widen();
  while (may_resume() && transfer_->is_lost()) resume();
}

/// Has the connections that do not carry the file yet carry it too. Only where two handles are known
/// to be the same file: object stores that speak SFTP keep what was written by the last one closed.
void SftpUpload::widen() {
  widen_at_ = offset_ + kWidenEvery;
  if (!transfer_->is_writing() || !server_.keeps_order()) return;
  server_.pool().grow_fully();
  std::vector<Client*> fresh = server_.pool().ready();
  std::erase_if(fresh, [this](Client* client) { return transfer_->is_carried_by(*client); });
  if (fresh.empty()) return;
  if (!is_done(server_.call(set_mode_request(path_, mode_ | kOwnerWrites)))) {
    widen_at_ = kNever;
    return;
  }
  for (Client* client : fresh) {
    Reply reply = std::move(Server::call_all(*client, {open_request(path_, kWrite)})[0]);
    if (reply.type == PacketType::handle) transfer_->add_lane(*client, std::move(reply.handle));
  }
  server_.check(server_.call(set_mode_request(path_, mode_)), "chmod", path_);
}

Reply SftpUpload::open_again(const Server& server, Client& client, const std::string& path,
                             std::uint32_t mode) {
  server.call(set_mode_request(path, mode | kOwnerWrites));
  Reply reply = std::move(Server::call_all(client, {open_request(path, kWrite)})[0]);
  if (reply.lost) return reply;
  server.check(server.call(set_mode_request(path, mode)), "chmod", path);
  return reply;
}

std::uint64_t SftpUpload::confirmed() {
  return std::max(there_, transfer_->confirmed(offset_));
}

/// Goes on where the server has confirmed all, over a connection made anew.
void SftpUpload::resume() {
  transfer_->wait_idle();
  const std::uint64_t there = confirmed();
  if (there > resumed_at_) server_.pool().note_progress();
  resumed_at_ = there;
  Client& client = server_.pool().front();
  generation_ = server_.pool().generation();
  Reply opened = open_again(server_, client, path_, mode_);
  if (opened.lost) return;
  if (opened.type != PacketType::handle)
    fail(ErrorKind::network,
         "{}: what was sent before the connection was lost cannot be gone on with",
         server_.quote(path_));
  is_in_doubt_ = true;
  transfer_->resume(client, std::move(opened.handle));
  server_.pool().tell(fmt::format("{} goes on at {}", server_.quote(path_), format_bytes(there)));
}

bool SftpUpload::read_back(ByteSink& sink) {
  if (!may_resume() && !is_in_doubt_) return false;  // what failed is told by `finish`
  while (const auto failure = transfer_->wait_closed()) {
    if (!may_resume() || !transfer_->is_lost()) throw_failure(failure->act, failure->reply);
    resume();
  }
  if (!std::exchange(is_in_doubt_, false)) return false;
  read_file(server_, path_, stripe_from_, sink);
  return true;
}

void SftpUpload::close() {
  if (std::exchange(is_closed_, true))
    fail(ErrorKind::internal, "close {}: closed", server_.quote(path_));
  send_buffer();
  // A hole at the end is made by its last byte.
  if (ends_in_hole_) transfer_->write(offset_ - 1, std::string(1, '\0'));
  transfer_->end();
}

void SftpUpload::confirm() {
  if (auto failure = transfer_->wait_open()) throw_failure(failure->act, failure->reply);
}

void SftpUpload::finish() {
  if (!is_closed_) fail(ErrorKind::internal, "publish {}: not closed", server_.quote(path_));
  if (auto failure = transfer_->wait_closed()) throw_failure(failure->act, failure->reply);
  if (is_in_doubt_)
    fail(ErrorKind::network, "{} was not read back after its connection was lost",
         server_.quote(path_));
}

void SftpUpload::throw_failure(const char* act, const Reply& failure) const {
  if (!transfer_->was_made() && has_failed(failure) && server_.examine(path_))
    fail(ErrorKind::exists, "create {}: the name is taken", server_.quote(path_));
  server_.throw_failure(failure, act, path_);
}

}  // namespace reverse::sftp
