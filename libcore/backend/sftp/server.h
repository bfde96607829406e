#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libcore/backend/backend.h"
#include "libcore/backend/sftp/client.h"

namespace reverse::sftp {

/// What the backend and its uploads share: the connection, names of things, and what replies mean.
/// Thread-safe; immutable.
class Server {
 public:
  Server(std::shared_ptr<Client> client, std::string host, std::string root)
      : client_(std::move(client)), host_(std::move(host)), root_(std::move(root)) {}

  Client& client() const { return *client_; }
  /// The server's name for a repository path.
  std::string full(const RepoPath& path) const;
  /// "'nas:/backup/objects'" for a server's name.
  std::string quote(const std::string& full) const;

  /// What is at a server's name; nullopt if certainly nothing. Follows no symlink.
  std::optional<FileStat> examine(const std::string& full) const;
  /// Throws what a failed reply means: "ACT 'HOST:FULL': WORDS". Asks the server whether it is full
  /// where it says no more than "failure".
  [[noreturn]] void throw_failure(const Reply& reply, std::string_view act,
                                  const std::string& full) const;
  /// Throws unless `reply` tells of success.
  void check(const Reply& reply, std::string_view act, const std::string& full) const;
  /// Bytes that can still be written; nullopt where the server does not tell.
  std::optional<FileSystemStat> room() const;

  /// Sends all requests and waits for all replies, which come in the order of the requests. Lost
  /// ones are among them.
  std::vector<Reply> call_all(std::vector<Request> requests) const;

 private:
  std::shared_ptr<Client> client_;
  const std::string host_;
  const std::string root_;
};

FileStat to_file_stat(const Attributes& attributes);

}  // namespace reverse::sftp
