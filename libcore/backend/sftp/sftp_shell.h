#pragma once

#include <condition_variable>
#include <mutex>

#include "libcore/backend/remote_shell.h"
#include "libcore/backend/sftp/server.h"

namespace reverse::sftp {

/// Runs commands beside the front connection's SFTP: as many at a time as the server allows.
class SftpShell : public RemoteShell {
 public:
  explicit SftpShell(const Server& server) : server_(server) {}

  CommandEnd run(const RemoteCommand& command, const Output& output) override;
  std::string root() const override { return server_.full(""); }

 private:
  class Turn;

  const Server& server_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  unsigned running_ = 0;
  unsigned most_ = 4;  ///< at a time; fewer once the server has refused one
};

}  // namespace reverse::sftp
