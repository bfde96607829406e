#pragma once

#include <set>
#include <string>
#include <vector>

#include "libcore/backend/sftp/publisher.h"
#include "libcore/backend/sftp/server.h"

namespace reverse::sftp {

/// Directories that are open to be synced behind the names which they are about to get. Closed on
/// destruction, which is not waited for. One thread at a time.
class OpenDirectories {
 public:
  /// Opens them, by the server's names, in one flight; those that do not open are left out.
  OpenDirectories(const Server& server, const std::set<std::string>& names);
  ~OpenDirectories();
  OpenDirectories(const OpenDirectories&) = delete;
  OpenDirectories& operator=(const OpenDirectories&) = delete;

  /// `Publisher::publish`, and syncs the directories behind it: in one flight where order is kept.
  /// Those that were synced are added to `synced`.
  std::vector<MoveResult> publish(Publisher& publisher,
                                  const std::vector<Publisher::Naming>& namings,
                                  std::set<std::string>& synced);

 private:
  struct Opened {
    std::string name, handle;
  };

  const Server& server_;
  Client& client_;
  std::vector<Opened> opened_;
};

}  // namespace reverse::sftp
