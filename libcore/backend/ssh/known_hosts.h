#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "libcore/backend/ssh/settings.h"

namespace reverse::ssh {

/// A server's public key.
struct HostKey {
  std::string type;    ///< "ssh-ed25519"
  std::string base64;  ///< as in known_hosts
  friend bool operator==(const HostKey&, const HostKey&) = default;
};

/// The keys that known_hosts files hold for one server. Immutable.
class KnownHosts {
 public:
  struct Entry {
    HostKey key;
    std::string file;
    std::size_t line = 0;
    bool any_port = false;  ///< it does not name the server's port, which is not the usual one
  };

  explicit KnownHosts(const Settings& settings);

  bool knows(const HostKey& key) const;
  /// An entry for this server, given that none holds its key: the key has changed. Null: there is
  /// none, the server is new.
  const Entry* contradiction() const;
  /// `algorithms`, with those first for which a key is known: a server shows the key it is asked
  /// for.
  std::string prefer_known(const std::string& algorithms) const;
  /// The server as the files call it: "host", or "[host]:port".
  const std::string& name() const { return name_; }

 private:
  void read(const std::string& file, const std::string& name, bool any_port);

  std::string name_;
  std::vector<Entry> entries_;
};

/// Appends a key to a known_hosts file, which is made as needed.
void add_known_host(const std::string& file, const std::string& name, const HostKey& key);

}  // namespace reverse::ssh
