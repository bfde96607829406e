#include "libcore/backend/ssh/ssh_link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <future>
#include <semaphore>
#include <thread>

#include "libcore/backend/sftp/client.h"
#include "libcore/backend/ssh/tcp.h"
#include "libcore/base/fd.h"
#include "tests/backend/conformance.h"
#include "tests/backend/ssh_fixture.h"

namespace reverse::ssh {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMiB = 1 << 20;
constexpr seconds kPatience{3};  // a living server answers sooner, however busy the machine is

/// How often a text occurs.
std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++found;
  return found;
}

/// What a repository needs of any server.
template <typename Server>
void holds_files() {
  const Server server;
  auto backend = backend_in(server, "repo", {.connections = 2});
  CHECK(backend->make_directory(""));
  CHECK(backend->make_directory("objects"));
  const std::string large = pattern(9 * kMiB + 1);
  put(*backend, "objects/large", large);
  put(*backend, "objects/empty", "");
  put(*backend, "small", "content");
  backend->barrier({});
  CHECK(content(*backend, "objects/large") == large);
  CHECK(content(*backend, "objects/empty").empty());
  CHECK(names(*backend, "objects") == std::vector<std::string>{"empty", "large"});
  CHECK(names(*backend, "") == std::vector<std::string>{"objects", "small"});
  CHECK(backend->stat("objects/large")->size == large.size());
  CHECK_FALSE(backend->stat("objects/other"));
  CHECK(backend->remove("small"));
  CHECK_FALSE(backend->remove("small"));
  CHECK(error_kind([&] { content(*backend, "small"); }) == ErrorKind::not_found);
}

TEST_CASE("sshd holds files", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  holds_files<SshServer>();
}

TEST_CASE("Dropbear with OpenSSH's sftp-server holds files", "[ssh][servers]") {
  NEEDS_SERVER(DropbearServer);
  holds_files<DropbearServer>();
}

TEST_CASE("ProFTPD holds files", "[ssh][servers]") {
  NEEDS_SERVER(ProftpdServer);
  holds_files<ProftpdServer>();
}

TEST_CASE("rclone holds files", "[ssh][servers]") {
  NEEDS_SERVER(RcloneServer);
  holds_files<RcloneServer>();
}

/// Bytes go both ways over a connection that asks to be compressed.
template <typename Server>
void takes_compression(const Server& server) {
  ConnectOptions options = options_for(server);
  options.compress = true;
  auto backend = sftp::open_sftp_backend(
      std::make_unique<sftp::Pool>(TestServer::kName, opener(options), sftp::PoolOptions{}), "");
  const std::string text(kMiB, 'a'), noise = pattern(kMiB);
  put(*backend, "text", text);
  put(*backend, "noise", noise);
  CHECK(content(*backend, "text") == text);
  CHECK(content(*backend, "noise") == noise);
}

TEST_CASE("a connection is compressed if that is wanted, after the login", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  SshServer server({.config = "LogLevel DEBUG1"});
  takes_compression(server);
  CHECK(server.process().log().find("compression: zlib@openssh.com") != std::string::npos);
}

TEST_CASE("servers that compress and servers that do not take a client that would like to",
          "[ssh][servers]") {
  SECTION("sshd that may not") {
    NEEDS_SERVER(SshServer);
    takes_compression(SshServer({.config = "Compression no"}));
  }
  SECTION("Dropbear") {
    NEEDS_SERVER(DropbearServer);
    takes_compression(DropbearServer());
  }
  SECTION("ProFTPD") {
    NEEDS_SERVER(ProftpdServer);
    takes_compression(ProftpdServer());
  }
  SECTION("rclone") {
    NEEDS_SERVER(RcloneServer);
    takes_compression(RcloneServer());
  }
}

TEST_CASE("an account in a chroot that may do nothing but SFTP holds files",
          "[ssh][servers][root]") {
  NEEDS_SERVER(SshServer);
  const SshServer server({.config = "ForceCommand internal-sftp", .chroot = true});
  auto backend = backend_in(server, "/home/repo");
  CHECK(backend->make_directory(""));
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) put(*backend, name, name);
  backend->barrier({});
  CHECK(read_file(server.chroot() + "/home/repo/f") == "f");
  sftp::Client client(TestServer::kName, opener(server));
  // The server's own words are what such a command prints.
  CHECK(client.run("echo hello").output != "hello\n");
}

TEST_CASE("commands get their input whole and tell how they end", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  sftp::Client client(TestServer::kName, opener(server));
  const std::string input = pattern(3 * kMiB);
  CHECK(client.run("cat", input).output == input);
  const sftp::CommandResult ended = client.run("echo words >&2; exit 7");
  CHECK(ended.exit_code == 7);
  CHECK(ended.errors == "words\n");
  CHECK(client.run("kill -TERM $$").exit_code == 128 + SIGTERM);
  CHECK(client.run("true", input).exit_code == 0);
}

TEST_CASE("an answer that comes between two looks at a channel is not slept over",
          "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  const int late = GENERATE(range(0, 6));  // one of the steps to an open channel
  const auto link = opener(server)();
  const auto stream = link->run("cat");
  const auto began = sftp::Link::Clock::now();
  char room[16];
  for (int round = 0; stream->try_write("x") == 0; ++round) {
    if (round == late) std::this_thread::sleep_for(milliseconds(200));
    stream->try_read(room);
    link->wait(true, sftp::Link::Clock::now() + seconds(10));
  }
  CHECK(sftp::Link::Clock::now() - began < seconds(10));
}

TEST_CASE("OpenSSH takes requests in one flight with the greeting", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  std::binary_semaphore is_asked{0};
  sftp::Client client(TestServer::kName, [&] {
    is_asked.acquire();  // however slow this thread is, it has asked before the server greets
    return opener(server)();
  });
  std::promise<std::pair<sftp::Reply, std::uint64_t>> answer;
  client.submit(sftp::lstat_request("."), [&](sftp::Reply&& reply) {
    // Counted here: right after the greeting the client asks for limits, in a flight of its own.
    answer.set_value({std::move(reply), client.flights()});
  });
  is_asked.release();
  const auto [reply, flights] = answer.get_future().get();
  CHECK(reply.type == sftp::PacketType::attrs);
  CHECK(flights == 1);
}

TEST_CASE("small requests do not wait for the acknowledgement of earlier ones", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  const UniqueFd fd = connect_tcp("127.0.0.1", server.port(), AF_INET, seconds(10));
  int is_on = 0;
  socklen_t size = sizeof is_on;
  REQUIRE(::getsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &is_on, &size) == 0);
  CHECK(is_on != 0);
}

TEST_CASE("the cipher is AES-GCM, which needs a new key only after 64 GiB", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  SshServer server({.config = "LogLevel DEBUG1"});
  sftp::Client client(TestServer::kName, opener(server));
  client.version();
  CHECK(server.process().log().find("client->server cipher: aes128-gcm@openssh.com") !=
        std::string::npos);
  CHECK(server.process().log().find("server->client cipher: aes128-gcm@openssh.com") !=
        std::string::npos);
}

TEST_CASE("keys are changed again and again while bytes go both ways on several channels",
          "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  SshServer server({.config = "RekeyLimit 1M\nLogLevel DEBUG1"});
  auto backend = backend_in(server, "");
  const std::string bytes = pattern(24 * kMiB);
  put(*backend, "first", bytes);
  sftp::Client client(TestServer::kName, opener(server));
  std::atomic<bool> echoed = false, read = false;
  {
    const std::jthread echo([&] { echoed = client.run("cat", bytes).output == bytes; });
    const std::jthread reader([&] { read = content(*backend, "first") == bytes; });
    put(*backend, "second", bytes);
    const auto handle =
        client.call(sftp::open_request(server.home() + "/first", sftp::kRead)).handle;
    for (std::size_t at = 0; at < bytes.size(); at += kMiB)
      REQUIRE(client.call(sftp::read_request(handle, at, 32768)).data == bytes.substr(at, 32768));
  }
  CHECK(echoed);
  CHECK(read);
  CHECK(content(*backend, "second") == bytes);
  CHECK(count(server.process().log(), "SSH2_MSG_NEWKEYS received") > 40);
}

TEST_CASE("a server that allows few sessions on a connection is used with those",
          "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const std::string limit = GENERATE("1", "2");
  const SshServer server({.config = "MaxSessions " + limit});
  SECTION("what is refused says so, and breaks nothing") {
    sftp::Client client(TestServer::kName, opener(server));
    client.version();
    std::atomic<int> refused = 0;
    const auto run = [&] {
      const Error error = error_of([&] { client.run("sleep 0.5"); });
      if (error.kind() == ErrorKind::busy &&
          says(error, "the server opens no further session on this connection"))
        ++refused;
    };
    { const std::jthread one(run), other(run); }
    CHECK(refused == (limit == "1" ? 2 : 1));
    CHECK(client.call(sftp::lstat_request(".")).type == sftp::PacketType::attrs);
  }
  SECTION("one command after the other needs one session") {
    if (limit == "1") return;
    sftp::Client client(TestServer::kName, opener(server));
    for (int i = 0; i < 50; ++i) CHECK(client.run("echo hello").output == "hello\n");
  }
  SECTION("a repository needs one session on each connection") {
    auto backend = backend_in(server, "repo", {.connections = 4});
    backend->make_directory("");
    std::vector<std::unique_ptr<Upload>> uploads;
    std::vector<Publication> group;
    for (int i = 0; i < 300; ++i) {
      uploads.push_back(upload(*backend, fmt::format("{}.part", i), "bytes"));
      group.push_back({uploads.back().get(), fmt::format("{}", i)});
    }
    for (const MoveResult result : backend->publish(group)) CHECK(result == MoveResult::done);
    backend->barrier({});
    CHECK(names(*backend, "").size() == 300);
  }
}

TEST_CASE("a connection that ends during an upload publishes nothing, and comes back when asked to",
          "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  SshServer server;
  const bool retries = GENERATE(true, false);
  auto backend = backend_in(server, "", {.retry_for = seconds(retries ? 60 : 0)});
  const std::string bytes = pattern(8 * kMiB);
  auto cut = backend->create("cut.part", 0444);
  cut->write(bytes);
  cut->confirm();
  server.process().kill_connections();
  const ErrorKind kind = error_kind([&] {
    cut->write(bytes);
    cut->close();
    publish(*backend, *cut, "cut");
  });
  CHECK(kind == ErrorKind::network);
  CHECK_FALSE(fs::exists(server.home() + "/cut"));
  cut.reset();
  const Error loss(ErrorKind::network, "write 'server:cut.part': lost");
  if (!retries) {
    const Error error = error_of([&] { backend->recover(loss); });
    CHECK(error.kind() == ErrorKind::network);
    CHECK(std::string(error.what()) == loss.what());
    return;
  }
  backend->recover(loss);
  put(*backend, "again", bytes);
  CHECK(read_file(server.home() + "/again") == bytes);
}

TEST_CASE("a server that falls silent is given up, one that is only idle is not",
          "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  SshServer server;
  ConnectOptions options = options_for(server);
  options.dead_after = kPatience;
  sftp::Client client(TestServer::kName, [&] { return open_link(kServer, options); });
  client.version();
  std::this_thread::sleep_for(options.dead_after * 3 / 2);
  CHECK(client.call(sftp::lstat_request(".")).type == sftp::PacketType::attrs);
  server.process().freeze();
  const Error error = error_of([&] { client.call(sftp::lstat_request(".")); });
  CHECK(error.kind() == ErrorKind::network);
  CHECK(says(error, "no byte came from the server for"));
  server.process().thaw();
}

TEST_CASE("a command's output comes while it runs, silence for long is no loss, and time can be set",
          "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  const std::string by = GENERATE("library", "child");
  CAPTURE(by);
  ConnectOptions options = options_for(server);
  if (by == "child") options.ssh_command = "ssh -F " + server.ssh_config();
  options.dead_after = kPatience;
  auto backend = sftp::open_sftp_backend(
      std::make_unique<sftp::Pool>(
          TestServer::kName, [&] { return open_link(kServer, options); }, sftp::PoolOptions{}),
      "");
  RemoteShell& shell = *backend->shell();
  SECTION("output comes at once, and silence is waited for") {
    // The command goes on when its first words were heard, and is then silent for longer than a
    // connection may be.
    const std::string heard = server.home() + "/heard";
    std::string output;
    const CommandEnd end = shell.run(
        {.line = "cat; until [ -e '" + heard + "' ]; do sleep 0.05; done; sleep 4.5; echo end",
         .input = "begin\n"},
        [&](ByteView bytes) {
          output.append(bytes);
          if (output == "begin\n") write_file(heard, "");
        });
    CHECK(output == "begin\nend\n");
    CHECK(end.exit_code == 0);
  }
  SECTION("its time is over") {
    const Error error = error_of([&] {
      shell.run({.line = "sleep 60", .input = "", .timeout = milliseconds(300)}, [](ByteView) {});
    });
    CHECK(error.kind() == ErrorKind::io);
    CHECK(says(error, "run 'sleep 60': it did not end within 1 s"));
    CHECK(shell.run({.line = "true", .input = ""}, [](ByteView) {}).exit_code == 0);
  }
  SECTION("who asked for it is told to stop, or wants no more") {
    std::stop_source stop;
    const std::jthread stopper([&] {
      std::this_thread::sleep_for(milliseconds(200));
      stop.request_stop();
    });
    CHECK_THROWS_AS(shell.run({.line = "sleep 60", .input = "", .timeout = {}, .stop = stop.get_token()},
                              [](ByteView) {}),
                    Cancelled);
    CHECK_THROWS_AS(shell.run({.line = "yes", .input = ""}, [](ByteView) { throw Cancelled(); }),
                    Cancelled);
    CHECK(shell.run({.line = "true", .input = ""}, [](ByteView) {}).exit_code == 0);
  }
}

TEST_CASE("commands wait for one another where a server allows few sessions", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server({.config = "MaxSessions 2"});
  auto backend = backend_in(server, "");
  std::atomic<int> done = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        const CommandEnd end =
            backend->shell()->run({.line = "sleep 0.2", .input = ""}, [](ByteView) {});
        if (end.exit_code == 0) ++done;
      });
  }
  CHECK(done == 4);
}

TEST_CASE("what a server's shell says before SFTP begins is shown", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server(
      {.config = "Subsystem sftp echo 'Welcome to the jungle'; exec /usr/lib/openssh/sftp-server"});
  sftp::Client client(TestServer::kName, opener(server));
  const Error error = error_of([&] { client.version(); });
  CHECK(error.kind() == ErrorKind::unsupported);
  CHECK(says(error, "the server sent text instead of SFTP: 'Welcome to the jungle"));
  CHECK(says(error, "must print nothing where there is no terminal"));
}

TEST_CASE("a server without SFTP is named with what it says", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server({.config = "Subsystem sftp-not-here internal-sftp\n"});
  const Error error = link_error(options_for(server));
  CHECK(error.kind() == ErrorKind::permission);
  CHECK(says(error, "offers no SFTP"));
}

TEST_CASE("who cannot be reached is network, and named", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  SshServer server;
  const std::uint16_t port = server.port();
  server.process().kill();
  Error error = link_error(options_for(server));
  CHECK(error.kind() == ErrorKind::network);
  CHECK(says(error, fmt::format("connect to '127.0.0.1' port {}: Connection refused", port)));
  error = link_error(options_for(server), named("name.invalid"));
  CHECK(error.kind() == ErrorKind::network);
  CHECK(says(error, "look up 'name.invalid'"));
  error = link_error(options_for(server), named("-oProxyCommand=true"));
  CHECK(error.kind() == ErrorKind::usage);
}

TEST_CASE("a server is reached by IPv6, and by a port of the command line", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server({.ipv6 = true});
  const ConnectOptions options = options_for(server);
  CHECK(open_link(kServer, options)->open_sftp());
  CHECK(open_link({"::1", TestServer::kUser, server.port()}, options)->open_sftp());
  server.configure("AddressFamily inet\n");
  CHECK(link_error(options).kind() == ErrorKind::network);
}

}  // namespace
}  // namespace reverse::ssh
