#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "libcore/backend/ssh/ssh_link.h"

namespace reverse::ssh {

/// What to do with the key of a server that is not known yet.
enum class NewHostKey { ask, refuse, accept };

/// How to reach a server: the command line's words and the user's configuration made one.
struct Settings {
  std::string alias;  ///< the server's name on the command line
  std::string host;   ///< its name or address in the network
  std::string user;
  std::uint16_t port = 22;
  int family = 0;  ///< AF_INET, AF_INET6, or 0: either
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(30);

  std::vector<std::string> known_hosts;         ///< files; a new key goes into the first
  std::vector<std::string> system_known_hosts;  ///< files that are only read
  NewHostKey new_host_key = NewHostKey::ask;

  std::vector<std::string> identities;  ///< files of private keys, in the order to be tried
  std::string agent;                    ///< its socket; "": none
  bool public_key = true, keyboard_interactive = true, password = true;  ///< allowed ways to log in
  bool batch = false;                                                    ///< ask nobody

  /// Names of algorithms in order of preference, with commas between; "": libssh's own.
  std::string ciphers, macs, key_exchange, host_keys, public_keys;
  unsigned min_rsa_bits = 0;  ///< 0: libssh's own
  bool compress = false;      ///< where the server can, once logged in

  /// What of the configuration libssh does not know or does differently; "" if it can connect.
  std::string only_by_ssh;

  /// "user@alias", for messages.
  std::string who() const { return user + "@" + alias; }
};

/// Asks `ssh -G`, which knows the user's configuration best; without OpenSSH, libssh's reader.
/// Throws `usage` with what `ssh` says about the configuration.
Settings settings_for(const Target& target, const ConnectOptions& options);

}  // namespace reverse::ssh
