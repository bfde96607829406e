#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace reverse {

/// What this machine found out about servers, in a file of its own (DIRECTORY/servers-1.sqlite;
/// schema/servers.sql): texts that mean nothing here. Thread-safe. Errors and damaged files: as the
/// catalog's.
class ServerMemory {
 public:
  static std::unique_ptr<ServerMemory> open(const std::string& directory,
                                            const std::function<void(const std::string&)>& warn);
  virtual ~ServerMemory() = default;

  /// What was kept of the server at `location` when it greeted so; nullopt if nothing was.
  virtual std::optional<std::string> recall(const std::string& location,
                                            const std::string& greeting) = 0;
  /// Takes the place of what was kept of that location.
  virtual void keep(const std::string& location, const std::string& greeting,
                    const std::string& abilities) = 0;
};

}  // namespace reverse
