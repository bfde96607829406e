#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "libcore/backend/sftp/abilities.h"
#include "libcore/backend/sftp/server.h"

namespace reverse::sftp {

/// Gives files their names by whichever request of this server and account replaces nothing.
/// Thread-safe.
class Publisher {
 public:
  Publisher(const Server& server, KnownAbilities& abilities)
      : server_(server), abilities_(abilities) {}

  /// A temporary's name and the one it gets; server's names.
  struct Naming {
    std::string from, to;
  };
  /// Requests over `client` that go in the same flight, behind the names, and their replies.
  struct Behind {
    Client* client = nullptr;
    std::vector<Request> requests = {};
    std::vector<Reply> replies = {};
  };
  /// In one flight, usually. Lost replies are settled. Temporaries are gone then, or (accounts that
  /// remove nothing) left to gc. Throws what a server means that gives no names.
  std::vector<MoveResult> publish(const std::vector<Naming>& namings, Behind* behind = nullptr);
  /// Renames files or directories in one flight, usually, and each once: where a reply is lost, that
  /// is thrown.
  std::vector<MoveResult> move(const std::vector<Naming>& namings);
  /// In words, for a server with these abilities.
  static std::string describe(const Abilities& abilities);

 private:
  enum class Way {
    rename,
    link,             ///< and remove the temporary
    link_and_leave,   ///< nothing is ever removed here
    look_and_rename,  ///< renames replace, links do not work: two writers at once may meet
    none,
  };
  static Way way_of(const Abilities& abilities);
  Way way(const std::string& directory);
  std::vector<Reply> ask(Way way, const std::vector<Naming>& namings,
                         Behind* behind = nullptr) const;
  std::vector<bool> taken(const std::vector<Naming>& namings) const;
  static const char* act_of(Way way);
  MoveResult settle(const Reply& reply, const Naming& naming, const char* act) const;
  MoveResult ask_again(Way way, const Naming& naming) const;

  const Server& server_;
  KnownAbilities& abilities_;
  std::mutex mutex_;
  std::optional<Way> way_;  ///< found out; by `mutex_`
};

}  // namespace reverse::sftp
