#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libcore/base/temp_dir.h"
#include "tests/support/server_process.h"
#include "tests/support/skip.h"

namespace reverse {

/// What all servers for tests have: an account, its home, keys of both sides, and the client's side
/// of it all: an `ssh` configuration that knows the server by the name "server". The account is
/// that of whoever runs the test, under another name; nobody's where that is root.
class TestServer {
 public:
  static constexpr const char* kName = "server";  ///< the server's alias in `ssh_config`
  static constexpr const char* kUser = "tester";
  static constexpr const char* kPassword = "secret";  ///< of the account, for servers that ask

  virtual ~TestServer() = default;

  ServerProcess& process() { return *process_; }
  std::uint16_t port() const { return process_->port(); }
  /// The account's home, where a login begins; the tree that is served, for servers without homes.
  std::string home() const { return files_ / "home"; }

  /// The client's side: configuration, known hosts and the key "id", all in one folder.
  std::string ssh_config() const { return files_ / "ssh/config"; }
  std::string known_hosts() const { return files_ / "ssh/known_hosts"; }
  std::string key() const { return files_ / "ssh/id"; }
  /// The public half of the server's key: "ssh-ed25519 AAAA…".
  std::string host_key() const;
  /// Puts `lines` before those of `ssh_config`: the first word on a setting is the one that counts.
  void configure(const std::string& lines) const;

 protected:
  TestServer();

  /// Starts what `argv(port)` says, in a world that knows the account, and tells the client of it.
  void run(const std::function<std::vector<std::string>(std::uint16_t port)>& argv,
           const std::string& address = "127.0.0.1");
  std::string file(const std::string& name) const { return files_ / name; }
  /// Makes a file that the server is to read; its path.
  std::string write(const std::string& name, const std::string& text) const;

 private:
  TempDir files_;
  std::unique_ptr<ServerProcess> process_;
};

/// OpenSSH's server.
class SshServer : public TestServer {
 public:
  struct Options {
    /// Lines of sshd_config that go before those of the server; end what begins with `Match` by
    /// `Match all`.
    std::string config;
    /// Logins see `chroot()` as their root; in it, `home` is theirs. For tests of root.
    bool chroot = false;
    bool ipv6 = false;  ///< the client comes by IPv6
  };
  /// Why there is none; "" if there is one.
  static std::string missing();

  SshServer() : SshServer(Options{}) {}
  explicit SshServer(const Options& options);
  ~SshServer() override;

  const std::string& chroot() const { return chroot_; }

 private:
  std::string chroot_;
};

/// Dropbear with OpenSSH's sftp-server.
class DropbearServer : public TestServer {
 public:
  static std::string missing();
  DropbearServer();
};

/// ProFTPD with mod_sftp: serves no commands.
class ProftpdServer : public TestServer {
 public:
  static std::string missing();
  ProftpdServer();
};

/// `rclone serve sftp`, which tells of hard links that it does not make.
class RcloneServer : public TestServer {
 public:
  static std::string missing();
  RcloneServer();
};

}  // namespace reverse

/// Leaves the test case, saying why, where a kind of server is not there: NEEDS_SERVER(SshServer).
#define NEEDS_SERVER(Kind)                                                                \
  do {                                                                                    \
    if (const std::string reason = Kind::missing(); !reason.empty()) SKIP_LOUDLY(reason); \
  } while (false)
