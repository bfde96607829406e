#include "libcore/backend/ssh/settings.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "libcore/base/fd.h"
#include "tests/backend/ssh_fixture.h"

namespace reverse::ssh {
namespace {

/// What is made of a configuration for the host "nas".
class Configuration {
 public:
  explicit Configuration(const std::string& text) { write_file(folder_ / "config", text); }

  Settings settings(Target target = named("nas")) const {
    ConnectOptions options;
    options.config_file = folder_ / "config";
    return settings_for(target, options);
  }
  std::string operator/(const std::string& name) const { return folder_ / name; }

 private:
  TempDir folder_;
};

/// A program's way to be found, given back at the end.
class SearchPath {
 public:
  explicit SearchPath(const char* path) : before_(::getenv("PATH")) { ::setenv("PATH", path, 1); }
  ~SearchPath() { ::setenv("PATH", before_.c_str(), 1); }
  SearchPath(const SearchPath&) = delete;
  SearchPath& operator=(const SearchPath&) = delete;

 private:
  const std::string before_;
};

UniqueFd listening_socket(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

TEST_CASE("a host's settings come from the configuration", "[ssh]") {
  const Configuration configuration(
      "Host nas\n  HostName nas.example\n  Port 2222\n  User me\n  AddressFamily inet6\n"
      "  ConnectTimeout 7\n  IdentityFile /keys/one\n  StrictHostKeyChecking accept-new\n"
      "  UserKnownHostsFile /known/a /known/b\n  PasswordAuthentication no\n"
      "Match exec \"true\"\n  IdentityFile /keys/two\n"
      "Match exec \"false\"\n  IdentityFile /keys/three\n");
  const Settings settings = configuration.settings();
  CHECK(settings.alias == "nas");
  CHECK(settings.host == "nas.example");
  CHECK(settings.port == 2222);
  CHECK(settings.user == "me");
  CHECK(settings.family == AF_INET6);
  CHECK(settings.connect_timeout == std::chrono::seconds(7));
  CHECK(settings.identities == std::vector<std::string>{"/keys/one", "/keys/two"});
  CHECK(settings.new_host_key == NewHostKey::accept);
  CHECK(settings.known_hosts == std::vector<std::string>{"/known/a", "/known/b"});
  CHECK(settings.public_key);
  CHECK_FALSE(settings.password);
  CHECK(settings.only_by_ssh.empty());
  CHECK(settings.ciphers.starts_with("aes128-gcm@openssh.com,aes256-gcm@openssh.com,"));
}

TEST_CASE("the command line's user and port go before the configuration's", "[ssh]") {
  const Configuration configuration("Host nas\n  Port 2222\n  User me\n");
  const Settings settings = configuration.settings({.host = "nas", .user = "you", .port = 22});
  CHECK(settings.user == "you");
  CHECK(settings.port == 22);
}

TEST_CASE("compression is asked for by the configuration or by who connects", "[ssh]") {
  CHECK_FALSE(Configuration("").settings().compress);
  CHECK(Configuration("Compression yes\n").settings().compress);
}

TEST_CASE("what libssh would ignore goes to the child ssh", "[ssh]") {
  const std::string line = GENERATE(as<std::string>(), "ProxyJump bastion", "ProxyCommand nc %h %p",
                                    "HostKeyAlias other", "CertificateFile /keys/cert",
                                    "PKCS11Provider /usr/lib/token.so",
                                    "RevokedHostKeys /known/bad", "KnownHostsCommand /bin/true",
                                    "BindAddress 127.0.0.1", "PreferredAuthentications password",
                                    "VerifyHostKeyDNS yes", "NoHostAuthenticationForLocalhost yes");
  INFO(line);
  CHECK_FALSE(Configuration(line + "\n").settings().only_by_ssh.empty());
  CHECK(Configuration("Host other\n  " + line + "\n").settings().only_by_ssh.empty());
}

TEST_CASE("settings that matter only together with something else decide only then", "[ssh]") {
  SECTION("ControlPath: a connection that is there to be shared") {
    const TempDir folder;
    const Configuration configuration("ControlPath " + folder / "socket" + "\n");
    CHECK(configuration.settings().only_by_ssh.empty());
    const UniqueFd master = listening_socket(folder / "socket");
    CHECK(configuration.settings().only_by_ssh == "controlpath");
  }
  SECTION("IdentitiesOnly: an agent") {
    const TempDir folder;
    const UniqueFd agent = listening_socket(folder / "agent");
    CHECK(Configuration("IdentitiesOnly yes\nIdentityAgent none\n").settings().only_by_ssh.empty());
    CHECK(Configuration("IdentitiesOnly yes\nIdentityAgent " + folder / "agent" + "\n")
              .settings()
              .only_by_ssh == "identitiesonly");
  }
  SECTION("keys: a certificate beside them, or a security key") {
    const Configuration own("");
    write_file(own / "config", "IdentityFile " + own / "id" + "\nIdentityAgent none\n");
    write_file(own / "id", "key\n");
    CHECK(own.settings().only_by_ssh.empty());
    write_file(own / "id.pub", "sk-ssh-ed25519@openssh.com AAAA\n");
    CHECK(own.settings().only_by_ssh == own / "id");
    write_file(own / "id.pub", "ssh-ed25519 AAAA\n");
    write_file(own / "id-cert.pub", "ssh-ed25519-cert-v01@openssh.com AAAA\n");
    CHECK(own.settings().only_by_ssh == own / "id-cert.pub");
  }
  SECTION("known hosts: marked lines and exceptions") {
    const Configuration own("");
    write_file(own / "config", "UserKnownHostsFile " + own / "known" + "\n");
    for (const char* line : {"", "# @revoked\n", "nas.example ssh-ed25519 AAAA\n"}) {
      write_file(own / "known", line);
      CHECK(own.settings().only_by_ssh.empty());
    }
    for (const char* line : {"@revoked * ssh-ed25519 AAAA\n", "  @cert-authority * ssh-rsa AAAA\n",
                             "*.example,!nas.example ssh-ed25519 AAAA\n"}) {
      write_file(own / "known", line);
      CHECK(own.settings().only_by_ssh == own / "known");
    }
  }
}

TEST_CASE("a configuration that ssh cannot read is named with what ssh says", "[ssh]") {
  const Error error = error_of([] { Configuration("NoSuchSetting yes\n").settings(); });
  CHECK(error.kind() == ErrorKind::usage);
  CHECK(says(error, "the configuration of ssh for 'nas' cannot be used"));
  CHECK(says(error, "nosuchsetting"));
}

TEST_CASE("without OpenSSH's client libssh reads the configuration", "[ssh]") {
  const SearchPath nothing("/nowhere");
  const Settings settings =
      Configuration("Host nas\n  HostName nas.example\n  Port 2222\n  User me\n").settings();
  CHECK(settings.host == "nas.example");
  CHECK(settings.port == 2222);
  CHECK(settings.user == "me");
  CHECK(settings.new_host_key == NewHostKey::ask);
  const Error error =
      error_of([] { Configuration("Host nas\n  ProxyCommand nc %h %p\n").settings(); });
  CHECK(error.kind() == ErrorKind::unsupported);
  CHECK(says(error, "OpenSSH's client must be installed"));
}

/// True if the server is reached, its files too.
bool is_reached(const ConnectOptions& options, const std::string& host) {
  sftp::Client client(host, [&] { return open_link(named(host), options); });
  return client.call(sftp::lstat_request(".")).type == sftp::PacketType::attrs &&
         client.run("echo hello").output == "hello\n";
}

TEST_CASE("servers are reached through others", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  SECTION("ProxyJump") {
    server.configure("Host behind\n  ProxyJump server\n");
  }
  SECTION("ProxyCommand") {
    server.configure("Host behind\n  ProxyCommand ssh -F '" + server.ssh_config() +
                     "' -W %h:%p server\n");
  }
  // The jump host's own settings are those of "server".
  server.configure(fmt::format("Host behind\n  HostName 127.0.0.1\n  Port {}\n  User {}\n",
                               server.port(), TestServer::kUser));
  CHECK(is_reached(options_for(server), "behind"));
}

TEST_CASE("a command is used instead of libssh where it is given", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  ConnectOptions options;
  options.ssh_command = "ssh -q  -F " + server.ssh_config();
  CHECK(is_reached(options, TestServer::kName));
  options.ssh_command = " ";
  CHECK(link_error(options).kind() == ErrorKind::usage);
  options.ssh_command = "/nowhere/ssh";
  CHECK(says(link_error(options), "/nowhere/ssh"));
}

TEST_CASE("what the child ssh says about a failure is shown", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  SshServer server;
  server.configure("ProxyCommand false\n");
  sftp::Client client(TestServer::kName, opener(server));
  const Error error = error_of([&] { client.version(); });
  CHECK(error.kind() == ErrorKind::network);
  CHECK(says(error, "(exit code 255)"));
}

}  // namespace
}  // namespace reverse::ssh
