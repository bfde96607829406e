#include "libcore/backend/ssh/login.h"

#include <catch2/catch.hpp>
#include <thread>

#include "libcore/backend/sftp/child_process.h"
#include "libcore/base/fd.h"
#include "tests/backend/asking_server.h"
#include "tests/backend/ssh_fixture.h"

namespace reverse::ssh {
namespace {

using Words = std::vector<std::string>;

/// An agent that holds these keys.
class Agent {
 public:
  explicit Agent(const Words& keys)
      : process_({"ssh-agent", "-D", "-a", socket()}, sftp::Group::own) {
    for (const std::string& key : keys) {
      const std::string add = "until ssh-add -q '" + key + "'; do sleep 0.01; done";
      run_program({"/usr/bin/env", "SSH_AUTH_SOCK=" + socket(), "timeout", "20", "sh", "-c", add});
    }
  }
  std::string socket() const { return folder_ / "socket"; }

 private:
  TempDir folder_;
  sftp::ChildProcess process_;
};

/// A new key pair with its public half beside it; its path.
std::string make_key(const TempDir& folder, const std::string& type,
                     const std::string& passphrase = "") {
  std::string path = folder / ("id_" + type);
  run_program({"/usr/bin/ssh-keygen", "-q", "-t", type, "-N", passphrase, "-C", type, "-f", path});
  return path;
}

void authorize(const TestServer& server, const std::string& key) {
  write_file(server.home() + "/.ssh/authorized_keys", read_file(key + ".pub"));
}

bool logs_in(const ConnectOptions& options) {
  return open_link(kServer, options)->open_sftp() != nullptr;
}

TEST_CASE("keys of all types log in", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  const TempDir folder;
  const std::string key = make_key(folder, GENERATE("ed25519", "rsa", "ecdsa"));
  authorize(server, key);
  server.configure("IdentityFile " + key + "\n");
  CHECK(logs_in(options_for(server)));
  run_program({"/bin/rm", key + ".pub"});
  CHECK(logs_in(options_for(server)));
}

TEST_CASE("the second key logs in where the first is refused", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  const TempDir folder;
  server.configure("IdentityFile " + make_key(folder, "rsa") + "\n");
  CHECK(logs_in(options_for(server)));
}

TEST_CASE("a login that is refused says what was tried and what to do", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  write_file(server.home() + "/.ssh/authorized_keys", "");
  const Error error = link_error(options_for(server));
  CHECK(error.kind() == ErrorKind::permission);
  CHECK(says(error, "'server' refuses the login of 'tester'; tried: '" + server.key() + "'"));
  CHECK(says(error, "as nobody can be asked"));
  CHECK(says(error, fmt::format("ssh-copy-id -p {} tester@server", server.port())));
}

TEST_CASE("a key with a passphrase", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  const TempDir folder;
  const std::string key = make_key(folder, GENERATE("ed25519", "rsa"), "open sesame");
  server.configure("IdentityFile " + key + "\nIdentitiesOnly yes\nPasswordAuthentication no\n");
  ConnectOptions options = options_for(server);
  Person person({"wrong", "open sesame"});
  SECTION("is opened by the person at the terminal") {
    authorize(server, key);
    person.attend(options);
    CHECK(logs_in(options));
    CHECK(person.asked == Words{"Passphrase of '" + key + "': ", "Passphrase of '" + key + "': "});
    CHECK(person.echoed == std::vector<bool>{false, false});
  }
  SECTION("is not asked for where the server would refuse the key") {
    person.attend(options);
    CHECK(logs_in(options));  // by the next key
    CHECK(person.asked.empty());
  }
  SECTION("is not opened where nobody can be asked") {
    authorize(server, key);
    const Error error = link_error(options);
    CHECK(error.kind() == ErrorKind::permission);
    CHECK(says(error, "'" + key + "', which has a passphrase, and nobody can be asked"));
  }
  SECTION("stays closed where the answers are wrong") {
    authorize(server, key);
    Person guesser({"wrong", "wrong", "wrong", "open sesame"});
    guesser.attend(options);
    CHECK(says(link_error(options), "which was not opened by the passphrase"));
    CHECK(guesser.asked.size() == 3);
  }
}

TEST_CASE("files that are no keys are named and passed over", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  const TempDir folder;
  write_file(folder / "text", "no key\n");
  write_file(server.home() + "/.ssh/authorized_keys", "");
  server.configure("IdentityFile " + folder / "text" + "\n");
  CHECK(
      says(link_error(options_for(server)),
           "'" + folder / "text" + "', which is no key that can be used, '" + server.key() + "'"));
}

TEST_CASE("an agent's keys log in", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  const TempDir folder;
  const std::string key = make_key(folder, GENERATE("ed25519", "rsa", "ecdsa"));
  authorize(server, key);
  const Agent agent({server.key(), key});
  server.configure("IdentityAgent " + agent.socket() + "\n");
  run_program({"/bin/rm", key, key + ".pub"});
  CHECK(logs_in(options_for(server)));
}

TEST_CASE("an agent with too many keys is named as the cause", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server({.config = "MaxAuthTries 2"});
  const TempDir folder;
  const Agent agent(
      {make_key(folder, "rsa"), make_key(folder, "ecdsa"), make_key(folder, "ed25519")});
  server.configure("IdentityAgent " + agent.socket() + "\n");
  const Error error = link_error(options_for(server));
  CHECK(error.kind() == ErrorKind::permission);
  CHECK(says(error, "the keys of the agent, then it allowed no more tries"));
  CHECK(says(error, "IdentitiesOnly"));
  server.configure("IdentitiesOnly yes\n");  // which goes by the child ssh
  sftp::Client client(TestServer::kName, opener(server));
  CHECK(client.version().version == 3);
}

TEST_CASE("an agent that is gone is no matter", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  server.configure("IdentityAgent " + server.home() + "/nothing\n");
  CHECK(logs_in(options_for(server)));
}

TEST_CASE("a password is asked for at the terminal only, three times", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  write_file(server.home() + "/.ssh/authorized_keys", "");
  ConnectOptions options = options_for(server);
  SECTION("and logs in") {
    Person person({"wrong", TestServer::kPassword});
    person.attend(options);
    CHECK(logs_in(options));
    CHECK(person.asked == Words{"Password of 'tester@server': ", "Password of 'tester@server': "});
    CHECK(person.echoed == std::vector<bool>{false, false});
  }
  SECTION("and may be wrong each time") {
    Person person({"1", "2", "3", TestServer::kPassword});
    person.attend(options);
    const Error error = link_error(options);
    CHECK(error.kind() == ErrorKind::permission);
    CHECK(person.asked.size() == 3);
  }
  SECTION("unless the configuration forbids it") {
    server.configure(GENERATE("PasswordAuthentication no\n", "BatchMode yes\n"));
    Person person({TestServer::kPassword});
    person.attend(options);
    CHECK(link_error(options).kind() == ErrorKind::permission);
    CHECK(person.asked.empty());
  }
}

TEST_CASE("a server's questions are put to the person at the terminal", "[ssh]") {
  const AskingServer server({{{"Token:", true, "123456"}, {"PIN:", false, "0000"}},
                             {},  // it has only something to say
                             {{"Word:", false, "sesame"}}});
  ConnectOptions options = options_for(server);
  const Words questions = {"(tester@server) Token: ", "(tester@server) PIN: ",
                           "(tester@server) Word: "};
  SECTION("until it lets in") {
    Person person({"123456", "0000", "sesame"});
    person.attend(options);
    CHECK_NOTHROW(open_link(kServer, options));
    CHECK(person.asked == questions);
    CHECK(person.echoed == std::vector<bool>{true, false, false});
  }
  SECTION("whose wrong answer is refused") {
    Person person({"123456", "0001"});
    person.attend(options);
    const Error error = link_error(options);
    CHECK(error.kind() == ErrorKind::permission);
    CHECK(says(error, "refuses the login of 'tester'; tried: questions;"));
    CHECK(person.asked == Words(questions.begin(), questions.begin() + 2));
  }
  SECTION("who may have no answer") {
    Person person({"123456"});
    person.attend(options);
    CHECK(link_error(options).kind() == ErrorKind::permission);
  }
  SECTION("and to nobody else") {
    CHECK(says(link_error(options), "tried: no questions, as nobody can be asked"));
  }
}

TEST_CASE("a server that wants a key and a password gets both", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server({.config = "AuthenticationMethods publickey,password"});
  ConnectOptions options = options_for(server);
  Person person({TestServer::kPassword});
  person.attend(options);
  CHECK(logs_in(options));
}

}  // namespace
}  // namespace reverse::ssh
