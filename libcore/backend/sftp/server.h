#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libcore/backend/backend.h"
#include "libcore/backend/sftp/pool.h"

namespace reverse::sftp {

/// What the backend and its uploads share: the connections, names of things, and what replies mean.
/// Thread-safe; immutable. Outlives what refers to it.
class Server {
 public:
  Server(std::unique_ptr<Pool> pool, std::string root)
      : pool_(std::move(pool)), root_(std::move(root)) {}

  Pool& pool() const { return *pool_; }
  bool offers(const std::string& extension) const { return pool_->front().offers(extension); }
  /// True for OpenSSH's own server, by extensions that only it has; an account may be refused some of them.
  bool is_openssh() const { return is_openssh(pool_->front()); }
  static bool is_openssh(Client& client) {
    return client.offers("lsetstat@openssh.com") || client.offers("expand-path@openssh.com") ||
           client.offers("users-groups-by-id@openssh.com");
  }
  /// What one connection asks is done strictly in that order: so does OpenSSH's server, unless it was seen to do otherwise. That
  /// others do cannot be proved by trying.
  bool keeps_order() const { return keeps_order(pool_->front()); }
  bool keeps_order(Client& client) const { return is_openssh(client) && !pool_->is_disorderly(); }
  static bool syncs_files(Client& client) { return client.offers("fsync@openssh.com"); }

  /// The server's name for a repository path.
  std::string full(const RepoPath& path) const;
  /// "'nas:/backup/objects'" for a server's name.
  std::string quote(const std::string& full) const;

  struct Answer {
    Reply reply;
    Client* client = nullptr;  ///< that gave it: where its handle is known
    bool repeated = false;     ///< asked again after a lost reply: it may have been done before
  };
  /// Asks over the front connection, and again over a new one if that is lost. Throws what
  /// `Pool::front` throws.
  Answer ask(const Request& request) const;
  /// The reply alone, for requests that may be repeated.
  Reply call(const Request& request) const { return ask(request).reply; }
  /// Sends all requests over one connection and waits for all replies, which come in the order of
  /// the requests. Lost ones are among them.
  static std::vector<Reply> call_all(Client& client, std::vector<Request> requests);
  /// Likewise over all connections, requests that need nothing of each other.
  std::vector<Reply> call_over_all(std::vector<Request> requests) const;

  /// Likewise over the front connection, where the requests of a stage may need what those before
  /// it did: all at once to servers that keep order, else stage by stage.
  std::vector<Reply> call_stages(std::vector<std::vector<Request>> stages) const;

  /// What is at a server's name; nullopt if certainly nothing. Follows no symlink.
  std::optional<FileStat> examine(const std::string& full) const;
  /// Throws what a failed reply means: "ACT 'HOST:FULL': WORDS". Asks the server whether it is full
  /// where it says no more than "failure". A lost reply after a stop is `Cancelled`.
  [[noreturn]] void throw_failure(const Reply& reply, std::string_view act,
                                  const std::string& full) const;
  /// Throws unless `reply` tells of success.
  void check(const Reply& reply, std::string_view act, const std::string& full) const;
  /// Bytes that can still be written; nullopt where the server does not tell.
  std::optional<FileSystemStat> room() const;

 private:
  static std::vector<Reply> call_all(std::span<Client* const> clients,
                                     std::vector<Request> requests);

  const std::unique_ptr<Pool> pool_;
  const std::string root_;
};

FileStat to_file_stat(const Attributes& attributes);

/// The name, or a directory on the way to it, is not there, or is of another type than was asked
/// for.
inline bool is_absent(const Reply& reply) {
  return !reply.lost && reply.status == Status::no_such_file;
}
/// Version 3's word for most failures, a taken name among them.
inline bool has_failed(const Reply& reply) {
  return !reply.lost && reply.status == Status::failure;
}
inline bool has_ended(const Reply& reply) {
  return !reply.lost && reply.status == Status::end_of_file;
}
inline bool is_done(const Reply& reply) {
  return !reply.lost && reply.status == Status::ok;
}

}  // namespace reverse::sftp
