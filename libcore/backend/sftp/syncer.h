#pragma once

#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "libcore/backend/sftp/abilities.h"
#include "libcore/backend/sftp/server.h"

namespace reverse::sftp {

struct SyncRun {
  enum class Result {
    done,     ///< it is known to have worked for the very file or directory that was named
    failed,   ///< it says so: then bytes may be lost, and whoever asks after it may not be told
    not_run,  ///< as far as is known nothing was synced
  };
  Result result = Result::done;
  std::string trouble;  ///< in words, unless it is done
};

/// Makes a server's file system durable by a command in its shell, where that sees what SFTP calls `path`. Throws where
/// the connection is lost.
SyncRun sync_by_command(Client& client, const std::string& path);

/// Makes files and names durable on the server: one by one by fsync@openssh.com, or everything at
/// once by the command `sync -f`, whichever is cheaper and works. Thread-safe.
class Syncer {
 public:
  /// `may_run`: commands may be tried, unless it is known that the server runs none.
  Syncer(const Server& server, KnownAbilities& abilities, Durability durability, bool may_run);
  ~Syncer();

  /// Whether what is called durable is.
  bool works();
  /// Whether the next upload must sync its own file. `path`: its server's name; many uploads in a
  /// row are left to `sync_files`, where that works at once for all.
  bool counts_upload(const std::string& path);
  /// A new row of uploads begins.
  void begin_group();
  /// Makes `files` durable, which were left to this, unless `works` is false: then nothing can.
  void sync_files(const std::vector<std::string>& files);
  /// Makes the names in `directories` (server's names) durable. Those that are gone count as done.
  void sync_directories(const std::set<std::string>& directories);
  /// True if directories can be opened to be synced.
  bool syncs_directories();

  /// In words, for a server with these abilities.
  static std::string describe(const Abilities& abilities);

 private:
  enum class Command {
    unknown,
    trying,
    remembered,  ///< worked in an earlier run
    works,
    refused,
  };
  bool offers_fsync();
  bool may_rely_on_command() const;
  void find_out(const std::string& path);
  bool sync_all(const std::string& path);
  bool fsync_names(const std::vector<std::string>& names);

  const Server& server_;
  KnownAbilities& abilities_;
  const Durability durability_;
  std::mutex mutex_;  // guards what follows
  Command command_;
  std::size_t uploads_ = 0;  // of the group
  bool directories_refused_ = false;
  std::string first_path_;
  std::jthread trying_;
};

}  // namespace reverse::sftp
