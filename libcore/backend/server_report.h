#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcore/backend/backend.h"

namespace reverse {

/// What a server is, what it says of itself, and what it does when it is tried.
struct ServerReport {
  struct Ability {
    std::string key;            ///< for programs: "hard_links"
    std::string words;          ///< for people: "hard links"
    std::optional<bool> works;  ///< nullopt: could not be tried
  };
  std::string host;
  std::string banner;  ///< what its program calls itself; empty where that is not known
  std::vector<std::string> extensions;  ///< that it says to have
  std::vector<Ability> abilities;
  std::string publishing;  ///< how files get their names here
  std::string durability;  ///< how they are made durable
};

/// Backends with a server behind them are of this class as well.
class ExaminableServer {
 public:
  virtual ~ExaminableServer() = default;

  /// What the server is and can do, found out anew by trying, with files that come and go in
  /// `directory`. Throws what `Backend` does.
  virtual ServerReport examine_server(const RepoPath& directory) = 0;
};

}  // namespace reverse
