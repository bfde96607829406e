#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/backend/sftp/client.h"
#include "libcore/base/rate_limit.h"

namespace reverse::sftp {

struct PoolOptions {
  unsigned connections = 1;  ///< at most
  /// How long a lost connection is tried to be made again. The first one is tried once.
  std::chrono::seconds retry_for{0};
  /// The first pause before that; the next ones grow to a minute. Each is cut short at random.
  std::chrono::milliseconds first_pause{1000};
  std::stop_token stop{};  ///< ends such waiting
  /// Told when a connection was lost, and when there is one again.
  std::function<void(const std::string&)> notice = {};
  Windows windows{};
  std::optional<std::uint64_t> upload_rate{};  ///< bytes a second that are written; none: all it takes
};

/// The connections to one server. The front one takes what somebody waits for; bulk goes over all.
/// A lost one is made anew when it is asked for, after pauses that grow. Losses in a row share one
/// `retry_for`: only what is achieved between them (`note_progress`) begins a new one.
/// Thread-safe. Clients live as long as the pool.
class Pool {
 public:
  /// Begins to connect.
  Pool(std::string host, Client::LinkOpener open_link, PoolOptions options);

  const std::string& host() const { return host_; }
  /// The front connection: alive when it was looked at, though perhaps not greeted yet. Throws why
  /// there is none; `Cancelled`.
  Client& front();
  /// A connection for bulk: each that is ready in turn.
  Client& next();
  /// Worth another connection: begins to make one if that is allowed and none is being made. One
  /// that the server refuses is not asked for again.
  void grow();
  /// Likewise all that are allowed, at once, as many as are worth it for large files.
  void grow_fully();
  /// The connections that are ready, the front one first.
  std::vector<Client*> ready();
  /// What to say of a loss that is not mended: "given up after 30 min"; empty where it was not tried.
  std::string given_up() const;
  /// Waits until so many bytes of a file may be written. Throws `Cancelled`.
  void pace_upload(std::uint64_t bytes);
  /// Something was achieved that a later loss does not undo.
  void note_progress();
  /// How often the front connection was made anew. Where that has changed, the server itself may
  /// have ended in between, and lost what it had not made durable.
  unsigned generation() const { return generation_; }
  /// Connections that are ready.
  std::size_t size() const;
  /// Throws `Cancelled` once `PoolOptions::stop` is requested.
  void check_stop() const;
  /// Tells whoever listens (`PoolOptions::notice`).
  void tell(const std::string& what) const;
  /// The server was seen to do later requests before earlier ones.
  void note_disorder() { is_disorderly_ = true; }
  bool is_disorderly() const { return is_disorderly_; }
  /// Round trips of the front connection, as `Client::flights`.
  std::uint64_t flights() const;

 private:
  Client& start();
  bool may_grow();
  void reconnect(std::unique_lock<std::mutex>& lock);
  void begin_again(std::unique_lock<std::mutex>& lock);
  void pause(std::unique_lock<std::mutex>& lock);

  const std::string host_;
  const Client::LinkOpener open_link_;
  const PoolOptions options_;
  std::atomic<bool> is_disorderly_ = false;  // before the clients: replies under way ask for it to the last
  std::optional<RateLimit> upload_limit_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  bool reconnecting_ = false;
  std::optional<std::chrono::steady_clock::time_point> give_up_;  // of the losses in a row
  std::chrono::milliseconds next_pause_;
  unsigned limit_;
  std::size_t turn_ = 0;
  Client* front_ = nullptr;
  std::vector<Client*> others_;
  std::vector<std::unique_ptr<Client>> clients_;  // all that ever were
  std::atomic<unsigned> generation_ = 0;
};

}  // namespace reverse::sftp
