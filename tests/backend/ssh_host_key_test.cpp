#include "libcore/backend/ssh/host_key.h"

#include <catch2/catch.hpp>

#include "libcore/base/fd.h"
#include "libcore/base/text.h"
#include "tests/backend/ssh_fixture.h"

namespace reverse::ssh {
namespace {

/// Some other server's key, of the type that test servers have.
constexpr const char* kOtherKey =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9nrGqmRSkEc1JJcDSFPGVEeMlU7fsyI2o3RxZ8FdKk";
/// How known_hosts names a server.
std::string name_of(const TestServer& server) {
  return fmt::format("[127.0.0.1]:{}", server.port());
}

std::string known_line(const TestServer& server) {
  return fmt::format("{} {}\n", name_of(server), server.host_key());
}

bool connects(const ConnectOptions& options) {
  return open_link(kServer, options)->open_sftp() != nullptr;
}

TEST_CASE("an unknown host key is refused where nobody can be asked", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  write_file(server.known_hosts(), "# nobody\n");
  const Error error = link_error(options_for(server));
  CHECK(error.kind() == ErrorKind::permission);
  CHECK(says(error, "the host key of 'server' is not known here, and nobody can be asked"));
  CHECK(says(error, "ssh-ed25519 SHA256:"));
  CHECK(says(error, fmt::format("ssh-keyscan -p {} -t ed25519 '127.0.0.1' >>'{}'", server.port(),
                                server.known_hosts())));
  CHECK(read_file(server.known_hosts()) == "# nobody\n");
}

TEST_CASE("what the refusal of an unknown host key says to do helps", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  write_file(server.known_hosts(), "");
  const std::string words = link_error(options_for(server)).what();
  run_program({"/bin/sh", "-c", words.substr(words.find("ssh-keyscan"))});
  CHECK(connects(options_for(server)));
}

TEST_CASE("a person accepts a host key once", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  const std::string before = GENERATE("", "other.example ssh-ed25519 AAAA");  // no end of line
  write_file(server.known_hosts(), before);
  ConnectOptions options = options_for(server);
  Person person({"what?", "yes"});
  person.attend(options);
  CHECK(connects(options));
  REQUIRE(person.asked.size() == 2);
  CHECK(person.asked[0].find("SHA256:") != std::string::npos);
  CHECK(person.asked[0].find(std::to_string(server.port())) != std::string::npos);
  CHECK(person.echoed == std::vector<bool>{true, true});
  REQUIRE(person.notices.size() == 1);
  CHECK(person.notices[0].find(server.known_hosts()) != std::string::npos);
  CHECK(read_file(server.known_hosts()) ==
        before + (before.empty() ? "" : "\n") + known_line(server));
  CHECK(connects(options));
  CHECK(person.asked.size() == 2);
}

TEST_CASE("a person refuses a host key, or has no answer", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  write_file(server.known_hosts(), "");
  ConnectOptions options = options_for(server);
  Person person(GENERATE(std::vector<std::string>{"no"}, std::vector<std::string>{}));
  person.attend(options);
  const Error error = link_error(options);
  CHECK(error.kind() == ErrorKind::permission);
  CHECK(says(error, "was not accepted"));
  CHECK(read_file(server.known_hosts()).empty());
}

TEST_CASE("StrictHostKeyChecking decides about an unknown host key", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  write_file(server.known_hosts(), "");
  Person person({"yes"});
  ConnectOptions options = options_for(server);
  person.attend(options);
  SECTION("yes: it is refused unasked") {
    server.configure("StrictHostKeyChecking yes\n");
    const Error error = link_error(options);
    CHECK(error.kind() == ErrorKind::permission);
    CHECK(says(error, "StrictHostKeyChecking forbids to ask"));
    CHECK(read_file(server.known_hosts()).empty());
  }
  SECTION("accept-new, no: it is kept unasked, which is said") {
    server.configure(fmt::format("StrictHostKeyChecking {}\n", GENERATE("accept-new", "no")));
    CHECK(connects(options));
    CHECK(read_file(server.known_hosts()) == known_line(server));
    CHECK(person.notices.size() == 1);
  }
  SECTION("ask, without a person that can be asked: BatchMode") {
    server.configure("BatchMode yes\n");
    CHECK(says(link_error(options), "nobody can be asked"));
  }
  CHECK(person.asked.empty());
}

TEST_CASE("a changed host key is fatal at once, whatever StrictHostKeyChecking says",
          "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  const std::string text =
      fmt::format("# mine\nother.example {}\n{} {}\n", kOtherKey, name_of(server), kOtherKey);
  write_file(server.known_hosts(), text);
  server.configure(fmt::format("StrictHostKeyChecking {}\n", GENERATE("ask", "accept-new", "no")));
  Person person({"yes"});
  ConnectOptions options = options_for(server);
  person.attend(options);
  const Error error = link_error(options);
  CHECK(error.kind() == ErrorKind::permission);
  CHECK_FALSE(error.retryable());
  CHECK(says(error, "the host key of 'server' has changed"));
  CHECK(says(error, fmt::format("'{}' line 3", server.known_hosts())));
  CHECK(person.asked.empty());
  CHECK(read_file(server.known_hosts()) == text);
  SECTION("and the command that it names forgets the old one") {
    const std::string words = error.what();
    run_program({"/bin/sh", "-c", words.substr(words.find("ssh-keygen -f"))});
    server.configure("StrictHostKeyChecking accept-new\n");
    CHECK(connects(options));
  }
}

TEST_CASE("a server that shows another type of key than is known has changed its key",
          "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  const TempDir other;
  run_program({"/usr/bin/ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", other / "key"});
  write_file(server.known_hosts(), name_of(server) + " " + read_file(other / "key.pub"));
  server.configure("StrictHostKeyChecking accept-new\n");
  CHECK(says(link_error(options_for(server)), "has changed"));
}

TEST_CASE("a changed host key is not tried again while a connection is made anew",
          "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  SshServer server;
  auto backend = backend_in(server, "", {.retry_for = std::chrono::minutes(10)});
  CHECK(backend->stat(""));
  write_file(server.known_hosts(), fmt::format("{} {}\n", name_of(server), kOtherKey));
  server.process().kill_connections();
  const Error error = error_of([&] {
    while (true) backend->stat("");
  });
  CHECK(error.kind() == ErrorKind::permission);
  CHECK(says(error, "has changed"));
}

TEST_CASE("known hosts are found hashed, by pattern, without port, and in the system's file",
          "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  const std::string line = known_line(server);
  SECTION("hashed") {
    run_program({"/usr/bin/ssh-keygen", "-q", "-H", "-f", server.known_hosts()});
    CHECK(read_file(server.known_hosts()).starts_with("|1|"));
  }
  SECTION("by pattern") {
    write_file(server.known_hosts(), "other.example,[127.*]:* " + server.host_key() + " comment\n");
  }
  SECTION("without port") {
    write_file(server.known_hosts(), "127.0.0.1 " + server.host_key() + "\n");
  }
  SECTION("after another server's key that names no port") {
    write_file(server.known_hosts(), fmt::format("127.0.0.1 {}\n{}", kOtherKey, line));
  }
  SECTION("in the system's file") {
    write_file(server.known_hosts() + ".system", line);
    write_file(server.known_hosts(), "");
    server.configure("GlobalKnownHostsFile " + server.known_hosts() + ".system\n");
  }
  SECTION("in the second file") {
    write_file(server.known_hosts() + "2", line);
    write_file(server.known_hosts(), "");
    server.configure(fmt::format("UserKnownHostsFile {0} {0}2\n", server.known_hosts()));
  }
  CHECK(connects(options_for(server)));
}

TEST_CASE("a server is asked for the type of key that is known", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const TempDir other;
  run_program({"/usr/bin/ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", other / "key"});
  const SshServer server({.config = "HostKey " + other / "key"});
  CHECK(connects(options_for(server)));
  write_file(server.known_hosts(), name_of(server) + " " + read_file(other / "key.pub"));
  CHECK(connects(options_for(server)));
}

TEST_CASE("a revoked host key is refused", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  server.configure("StrictHostKeyChecking accept-new\n");
  SECTION("by known_hosts, though it is listed as good too") {
    write_file(server.known_hosts(),
               fmt::format("{}@revoked * {}\n", known_line(server), server.host_key()));
  }
  SECTION("by RevokedHostKeys") {
    write_file(server.known_hosts() + ".revoked", server.host_key() + "\n");
    server.configure("RevokedHostKeys " + server.known_hosts() + ".revoked\n");
  }
  sftp::Client client(TestServer::kName, opener(server));
  const Error error = error_of([&] { client.version(); });
  CHECK(error.kind() == ErrorKind::permission);
  CHECK(says(error, "revoked"));
}

TEST_CASE("a host key that an authority vouches for is accepted", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const TempDir authority;
  const auto keygen = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"/usr/bin/ssh-keygen", "-q"});
    run_program(words);
  };
  keygen({"-t", "ed25519", "-N", "", "-f", authority / "ca"});
  keygen({"-t", "ed25519", "-N", "", "-f", authority / "host"});
  keygen({"-s", authority / "ca", "-I", "test", "-h", "-n", "127.0.0.1", authority / "host.pub"});
  const SshServer server(
      {.config = fmt::format("HostKey {0}\nHostCertificate {0}-cert.pub", authority / "host")});
  write_file(server.known_hosts(), "@cert-authority * " + read_file(authority / "ca.pub"));
  sftp::Client client(TestServer::kName, opener(server));
  CHECK(client.version().version == 3);
}

}  // namespace
}  // namespace reverse::ssh
