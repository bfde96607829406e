#include "tests/backend/scripted_peer.h"

#include <algorithm>
#include <cstring>

#include "libcore/backend/sftp/wire.h"
#include "libcore/base/error.h"

namespace reverse::sftp {

namespace {

std::string packet(const std::string& content) {
  std::string bytes;
  append_string(bytes, content);
  return bytes;
}

}  // namespace

std::string reply_packet(PacketType type, std::uint32_t id, const std::string& body) {
  std::string content(1, static_cast<char>(type));
  append_u32(content, id);
  return packet(content + body);
}

std::string status_packet(std::uint32_t id, Status status, const std::string& message) {
  std::string body;
  append_u32(body, static_cast<std::uint32_t>(status));
  append_string(body, message);
  append_string(body, "en");
  return reply_packet(PacketType::status, id, body);
}

std::string version_packet(const std::vector<std::string>& extensions) {
  std::string body;
  for (const std::string& extension : extensions) {
    append_string(body, extension);
    append_string(body, "1");
  }
  return reply_packet(PacketType::version, 3, body);
}

class ScriptedPeer::PeerStream : public Stream {
 public:
  explicit PeerStream(ScriptedPeer& peer) : peer_(peer) {}
  std::size_t try_write(ByteView bytes) override { return peer_.take(bytes); }
  void end_input() override {}
  std::optional<std::size_t> try_read(std::span<char> room) override { return peer_.give(room); }
  std::optional<int> exit_code() override { return 0; }
  std::string last_words() override { return peer_.last_words; }

 private:
  ScriptedPeer& peer_;
};

class ScriptedPeer::PeerLink : public Link {
 public:
  explicit PeerLink(ScriptedPeer& peer) : peer_(peer) {}
  std::unique_ptr<Stream> open_sftp() override { return std::make_unique<PeerStream>(peer_); }
  std::unique_ptr<Stream> run(const std::string&) override {
    fail(ErrorKind::usage, "the peer runs no commands");
  }
  void wait(bool to_write, Clock::time_point deadline) override {
    std::unique_lock lock(peer_.mutex_);
    peer_.changed_.wait_until(lock, deadline, [&] {
      return peer_.woken_ || peer_.closed_ || !peer_.to_client_.empty() ||
             (to_write && peer_.accepts_);
    });
    peer_.woken_ = false;
  }
  void wake() override {
    std::lock_guard lock(peer_.mutex_);
    peer_.woken_ = true;
    peer_.changed_.notify_all();
  }
  std::size_t reply_window() const override { return peer_.reply_window; }
  std::optional<std::chrono::milliseconds> patience() const override { return peer_.patience; }

 private:
  ScriptedPeer& peer_;
};

std::unique_ptr<Link> ScriptedPeer::link() {
  return std::make_unique<PeerLink>(*this);
}

void ScriptedPeer::send(const std::string& bytes) {
  std::lock_guard lock(mutex_);
  to_client_ += bytes;
  changed_.notify_all();
}

void ScriptedPeer::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

void ScriptedPeer::accept(bool yes) {
  std::lock_guard lock(mutex_);
  accepts_ = yes;
  changed_.notify_all();
}

std::vector<Received> ScriptedPeer::wait_for(std::size_t count) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, std::chrono::seconds(30), [&] { return kept_.size() >= count; }))
    fail(ErrorKind::internal, "{} requests came, not {}", kept_.size(), count);
  return kept_;
}

std::size_t ScriptedPeer::received() const {
  std::lock_guard lock(mutex_);
  return received_;
}

std::size_t ScriptedPeer::writes() const {
  std::lock_guard lock(mutex_);
  return writes_;
}

std::size_t ScriptedPeer::take(ByteView bytes) {
  std::vector<Received> fresh;
  {
    std::lock_guard lock(mutex_);
    if (!accepts_) return 0;
    bytes = bytes.substr(0, write_size);
    ++writes_;
    to_peer_ += bytes;
    while (to_peer_.size() >= 9 && to_peer_.size() >= 4 + peek_u32(to_peer_.data())) {
      const std::size_t size = 4 + peek_u32(to_peer_.data());
      Received request{.type = static_cast<PacketType>(to_peer_[4]),
                       .id = peek_u32(&to_peer_[5]),
                       .body = to_peer_.substr(9, size - 9)};
      to_peer_.erase(0, size);
      if (!greeted_) {
        to_client_ += greeting;
      } else {
        ++received_;
        (handler ? fresh : kept_).push_back(std::move(request));
      }
      greeted_ = true;
    }
    changed_.notify_all();
  }
  for (const Received& request : fresh) handler(request);
  return bytes.size();
}

std::optional<std::size_t> ScriptedPeer::give(std::span<char> room) {
  std::lock_guard lock(mutex_);
  if ((to_client_.empty() && closed_) || given_ == closes_after) return std::nullopt;
  const std::size_t size =
      std::min({room.size(), read_size, to_client_.size(), closes_after - given_});
  given_ += size;
  std::memcpy(room.data(), to_client_.data(), size);
  to_client_.erase(0, size);
  return size;
}

}  // namespace reverse::sftp
