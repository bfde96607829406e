#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "libcore/backend/sftp/client.h"

namespace reverse::sftp {

/// A request as the peer got it.
struct Received {
  PacketType type = PacketType::init;
  std::uint32_t id = 0;
  std::string body;
};

/// A whole packet that says STATUS.
std::string status_packet(std::uint32_t id, Status status = Status::ok,
                          const std::string& message = "");
/// A whole packet of this type: the number, then `body`.
std::string reply_packet(PacketType type, std::uint32_t id, const std::string& body);
/// VERSION, as the peer sends it unless told otherwise.
std::string version_packet(const std::vector<std::string>& extensions = {});

/// The far side of an SFTP connection, played by a test in memory. Thread-safe; outlives its
/// clients.
class ScriptedPeer {
 public:
  /// Answers each request after the greeting, in the connection's thread; none: requests are kept
  /// for `wait_for`.
  using Handler = std::function<void(const Received&)>;

  /// What answers INIT, in full packets or not.
  std::string greeting = version_packet();
  Handler handler;
  std::size_t read_size = 1 << 20;   ///< bytes that the client gets at a time
  std::size_t write_size = 1 << 20;  ///< bytes that the peer takes at a time
  std::size_t reply_window = 1 << 20;
  std::size_t closes_after = std::numeric_limits<std::size_t>::max();  ///< bytes to the client
  std::string last_words;
  std::optional<std::chrono::milliseconds> patience;  ///< see `Link`

  /// To be opened by a client.
  std::unique_ptr<Link> link();
  Client::LinkOpener opener() {
    return [this] { return link(); };
  }

  void send(const std::string& bytes);
  /// Ends the connection after what was sent.
  void close();
  /// Stops, or goes on, taking bytes.
  void accept(bool yes);

  /// Waits until so many requests have come that no handler answered; the test fails after 30 s.
  std::vector<Received> wait_for(std::size_t count);
  /// Requests that came, with or without a handler; the greeting's not counted.
  std::size_t received() const;
  /// How often bytes came.
  std::size_t writes() const;

 private:
  class PeerLink;
  class PeerStream;

  std::size_t take(ByteView bytes);
  std::optional<std::size_t> give(std::span<char> room);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string to_peer_, to_client_;
  std::vector<Received> kept_;
  std::size_t received_ = 0, writes_ = 0, given_ = 0;
  bool greeted_ = false, closed_ = false, accepts_ = true, woken_ = false;
};

}  // namespace reverse::sftp
