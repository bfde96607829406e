#include "libcore/backend/sftp/abilities.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <functional>
#include <map>
#include <thread>

#include "libcore/backend/sftp/wire.h"
#include "tests/backend/conformance.h"
#include "tests/backend/scripted_peer.h"
#include "tests/backend/ssh_fixture.h"
#include "tests/support/links.h"

namespace reverse {
namespace {

using Words = std::vector<std::string>;

constexpr const char* kOnlyAdd =
    "remove,rmdir,rename,posix-rename,setstat,fsetstat,lsetstat,symlink";

/// What is remembered of a server, and how often it was written.
struct Memory {
  std::map<std::string, std::string> texts;
  std::atomic<int> kept = 0;  ///< counted by a thread of the backend once `texts` has it

  sftp::AbilityMemory functions() {
    return {.recall = [this](const std::string& greeting) -> std::optional<std::string> {
              const auto found = texts.find(greeting);
              if (found == texts.end()) return std::nullopt;
              return found->second;
            },
            .keep =
                [this](const std::string& greeting, const std::string& text) {
                  texts[greeting] = text;
                  ++kept;
                }};
  }
};

/// OpenSSH's server over pipes, with these flags; notices go to `notices`.
std::unique_ptr<Backend> served(const std::string& root, const Words& flags,
                                Memory* memory = nullptr, Words* notices = nullptr) {
  Words argv{"/usr/lib/openssh/sftp-server"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  sftp::PoolOptions pool;
  if (notices != nullptr)
    pool.notice = [notices](const std::string& notice) { notices->push_back(notice); };
  sftp::SftpOptions options;
  options.run_commands = false;
  options.scratch = "tmp";
  if (memory != nullptr) options.memory = memory->functions();
  return sftp::open_sftp_backend(
      std::make_unique<sftp::Pool>(
          "server",
          [argv] {
            return std::make_unique<sftp::ChildLink>(argv, Words{"sh", "-c"});
          },
          pool),
      root, options);
}

/// A directory with "tmp" and "objects" in it.
struct Root {
  Root() {
    auto backend = open_local_backend(directory.path(), Durability::none);
    for (const char* name : {"tmp", "objects"}) backend->make_directory(name);
  }
  const std::string& path() const { return directory.path(); }
  TempDir directory;
};

ServerReport examined(Backend& backend, const RepoPath& directory) {
  return dynamic_cast<ExaminableServer&>(backend).examine_server(directory);
}

/// Keys of what works and of what does not.
struct Found {
  explicit Found(const ServerReport& report) {
    for (const ServerReport::Ability& ability : report.abilities)
      if (ability.works) (*ability.works ? works : fails).push_back(ability.key);
  }
  Words works, fails;
};

TEST_CASE("OpenSSH's server does everything that is tried, and keeps nothing of it", "[sftp]") {
  const Root root;
  const auto backend = served(root.path(), {});
  const auto report = examined(*backend, "tmp");
  CHECK(Found(report).fails == Words{});
  CHECK(Found(report).works.size() == 15);  // all but the command
  CHECK(report.publishing == "by rename, which replaces nothing");
  CHECK(names(*backend, "tmp") == Words{});
}

TEST_CASE("what an account is refused shows when it is tried", "[sftp]") {
  const Root root;
  SECTION("everything but reading") {
    const Found found(examined(*served(root.path(), {"-R"}), "tmp"));
    CHECK(found.works == Words{"free_space"});
    CHECK(found.fails == Words{"create"});
  }
  SECTION("everything but adding") {
    const auto report = examined(*served(root.path(), {"-P", kOnlyAdd}), "tmp");
    CHECK(Found(report).fails == Words{"set_mode", "rename", "replace", "remove"});
    CHECK(report.publishing ==
          "by hard link; this account removes nothing, reverse-gc sweeps what is left");
  }
}

TEST_CASE("a server that lies about hard links is found out", "[sftp][servers]") {
  NEEDS_SERVER(RcloneServer);
  const RcloneServer server;
  auto backend = ssh::backend_in(server, "repo");
  backend->make_directory("");
  const auto report = examined(*backend, "");
  const Words extensions = report.extensions;
  CHECK(std::count(extensions.begin(), extensions.end(), "hardlink@openssh.com") == 1);
  const Words fails = Found(report).fails;
  CHECK(std::count(fails.begin(), fails.end(), "hard_links") == 1);
  CHECK(std::count(fails.begin(), fails.end(), "rename_keeps") == 1);
  CHECK(report.publishing == "by rename after a look whether the name is free");

  put(*backend, "file", "content");
  const auto other = upload(*backend, "other", "other");
  CHECK(publish(*backend, *other, "file") == MoveResult::exists);
  CHECK(content(*backend, "file") == "content");
}

/// What OpenSSH's server offers.
const Words kExtensions = {"fsync@openssh.com", "hardlink@openssh.com", "lsetstat@openssh.com",
                           "posix-rename@openssh.com"};

std::string handle_packet(std::uint32_t id) {
  std::string body;
  sftp::append_string(body, "handle");
  return sftp::reply_packet(sftp::PacketType::handle, id, body);
}

/// A server that says yes to everything, and does nothing.
void play_liar(sftp::ScriptedPeer& peer) {
  peer.greeting = sftp::version_packet(kExtensions);
  peer.handler = [&peer](const sftp::Received& request) {
    if (request.type == sftp::PacketType::open)
      peer.send(handle_packet(request.id));
    else if (request.type == sftp::PacketType::lstat)
      peer.send(sftp::status_packet(request.id, sftp::Status::no_such_file));
    else
      peer.send(sftp::status_packet(request.id));
  };
}

TEST_CASE("a server that does nothing of what it confirms is found out", "[sftp]") {
  sftp::ScriptedPeer peer;
  play_liar(peer);
  const sftp::Server server(
      std::make_unique<sftp::Pool>("peer", peer.opener(), sftp::PoolOptions{}), "");
  const auto found = sftp::try_abilities(server, "tmp", false);
  REQUIRE(found);
  CHECK(sftp::format_abilities(*found) ==
        "create: yes\nexclusive_create: no\nexclusive_directories: no\nmode_at_creation: no\n"
        "set_mode: no\nrename: no\nreplace: no\nhard_links: no\nremove: yes\nkeeps_order: no\n"
        "sync_files: yes\nsync_directories: yes\nfree_space: no\ncase_sensitive: yes\n");
}

TEST_CASE("nothing is found out where the directory for it is missing", "[sftp]") {
  const Root root;
  const sftp::Server server(
      std::make_unique<sftp::Pool>(
          "server",
          [] {
            return std::make_unique<sftp::ChildLink>(Words{"/usr/lib/openssh/sftp-server"},
                                                     Words{});
          },
          sftp::PoolOptions{}),
      root.path());
  CHECK_FALSE(sftp::try_abilities(server, root.path() + "/absent", false));
}

TEST_CASE("all is tried in few flights", "[sftp]") {
  constexpr std::chrono::milliseconds kRoundTrip{100};  // more than a busy machine takes a time
  const Root root;
  const auto open = [kRoundTrip] {
    return std::make_unique<sftp::DelayLink>(
        std::make_unique<sftp::ChildLink>(Words{"/usr/lib/openssh/sftp-server"}, Words{"sh", "-c"}),
        kRoundTrip);
  };
  const sftp::Server server(std::make_unique<sftp::Pool>("far", open, sftp::PoolOptions{}),
                            root.path());
  sftp::Client& client = server.pool().front();
  client.limits();  // greeted
  const std::uint64_t before = client.flights();
  const auto found = sftp::try_abilities(server, root.path() + "/tmp", true);
  CHECK(client.flights() - before <= 20);  // thirteen, and some where the machine is busy; forty in turn
  REQUIRE(found);
  CHECK(sftp::format_abilities(*found).find("no") == std::string::npos);
}

TEST_CASE("where renames are refused files are published by link, unasked", "[sftp]") {
  const Root root;
  const auto backend = served(root.path(), {"-P", kOnlyAdd});
  const auto first = upload(*backend, "tmp/first", "first");
  const auto second = upload(*backend, "tmp/second", "second");
  const std::vector<Publication> both{{first.get(), "objects/a"}, {second.get(), "absent/b"}};
  CHECK(backend->publish(both) == std::vector{MoveResult::done, MoveResult::gone});
  CHECK(content(*backend, "objects/a") == "first");
  CHECK(publish(*backend, *second, "objects/a") == MoveResult::exists);
  CHECK(publish(*backend, *second, "objects/b") == MoveResult::done);
  CHECK(content(*backend, "objects/b") == "second");
}

TEST_CASE("an account that may neither rename nor link is told so", "[sftp]") {
  const Root root;
  const auto backend = served(root.path(), {"-P", "rename,hardlink"});
  const auto file = upload(*backend, "tmp/file", "content");
  CHECK(error_kind([&] { publish(*backend, *file, "objects/a"); }) == ErrorKind::permission);
}

TEST_CASE("what was found out is remembered until the server greets otherwise", "[sftp]") {
  const Root root;
  Memory memory;
  const auto publish_one = [&](const Words& flags, const char* name) {
    const auto backend = served(root.path(), flags, &memory);
    const auto file = upload(*backend, fmt::format("tmp/{}.part", name), name);
    CHECK(publish(*backend, *file, fmt::format("objects/{}", name)) == MoveResult::done);
  };
  publish_one({}, "first");
  CHECK(memory.kept == 1);
  publish_one({}, "second");
  CHECK(memory.kept == 1);
  publish_one({"-P", kOnlyAdd}, "third");  // extensions are missing from the greeting
  CHECK(memory.kept == 2);
  publish_one({"-P", kOnlyAdd}, "fourth");
  CHECK(memory.kept == 2);
  SECTION("and tried anew where it is wrong") {
    for (auto& [greeting, text] : memory.texts)
      text = "create: yes\nrename: yes\nrename_keeps: yes\n";
    publish_one({"-P", kOnlyAdd}, "fifth");
    CHECK(memory.kept == 3);
  }
}

/// Counts the commands that are run.
class CommandsLink : public sftp::LinkDecorator {
 public:
  CommandsLink(std::unique_ptr<sftp::Link> inner, std::atomic<int>& count)
      : LinkDecorator(std::move(inner)), count_(count) {}
  std::unique_ptr<sftp::Stream> run(const std::string& command) override {
    ++count_;
    return inner().run(command);
  }

 private:
  std::atomic<int>& count_;
};

/// The place `root` at OpenSSH's SFTP server, whose commands `shell` runs; they are counted.
std::unique_ptr<Backend> with_shell(const Root& root, const Words& shell, std::atomic<int>& commands,
                                    const sftp::SftpOptions& options) {
  const auto open = [&commands, shell]() -> std::unique_ptr<sftp::Link> {
    return std::make_unique<CommandsLink>(
        std::make_unique<sftp::ChildLink>(Words{"/usr/lib/openssh/sftp-server"}, shell), commands);
  };
  return sftp::open_sftp_backend(
      std::make_unique<sftp::Pool>("server", open, sftp::PoolOptions{}), root.path(), options);
}

/// Publishes more files at once than are synced one by one.
std::vector<MoveResult> publish_group(Backend& backend, const std::string& name) {
  std::vector<std::unique_ptr<Upload>> uploads;
  std::vector<Publication> group;
  for (int i = 0; i < 40; ++i) {
    const std::string file = fmt::format("{}.{}", name, i);
    uploads.push_back(upload(backend, "tmp/" + file, "content"));
    group.push_back({uploads.back().get(), "objects/" + file});
  }
  return backend.publish(group);
}

TEST_CASE("the command sync -f is run as it is remembered, and remembered otherwise once it fails", "[sftp]") {
  const Root root;
  Memory memory;
  std::atomic<int> commands = 0;
  // Publishes groups of files until `is_done`: what is remembered is looked up beside the first ones.
  const auto publish_many = [&](const std::string& round, const Words& shell,
                                const std::function<bool()>& is_done) {
    sftp::SftpOptions options;
    options.scratch = "tmp";
    options.memory = memory.functions();
    const auto backend = with_shell(root, shell, commands, options);
    put(*backend, "objects/" + round, "before the rest, so that all is known");
    commands = 0;
    for (int count = 0; count < 100 && !is_done(); ++count)
      for (const MoveResult result : publish_group(*backend, fmt::format("{}.{}", round, count)))
        CHECK(result == MoveResult::done);
    CHECK(is_done());
  };
  const Words shell{"sh", "-c"};
  const auto remember = [&](const char* what) {
    for (auto& [greeting, text] : memory.texts) text = fmt::format("create: yes\n{}\n", what);
    memory.kept = 0;
  };
  const auto is_kept = [&] { return memory.kept == 1; };
  publish_many("first", shell, is_kept);
  remember("sync_command: no");
  int groups = 0;
  publish_many("second", shell, [&] { return ++groups > 5; });
  CHECK(commands == 0);
  remember("sync_command: yes");
  publish_many("third", shell, [&] { return commands == 1; });
  CHECK(memory.kept == 0);
  publish_many("fourth", {"false"}, is_kept);  // no command works there any more
  CHECK(memory.texts.begin()->second.find("sync_command: no") != std::string::npos);
}

TEST_CASE("files are synced one by one where the command is not run any more, and not where it failed", "[sftp]") {
  const Root root;
  const std::string code = root.path() + "/code";  // with which every later command ends
  const Words shell{"sh", "-c", "[ ! -e " + code + " ] || exit $(cat " + code + "); eval \"$1\"", "shell"};
  std::atomic<int> commands = 0;
  Memory memory;
  sftp::SftpOptions options;
  options.scratch = "tmp";
  options.memory = memory.functions();
  {
    const auto met = with_shell(root, shell, commands, options);
    for (int i = 0; i < 100 && memory.kept == 0; ++i) publish_group(*met, fmt::format("met{}", i));
    REQUIRE(memory.kept == 1);
  }
  // That it works is known: where it has to be tried first, the file may have its name by then.
  for (auto& [greeting, text] : memory.texts) text = "create: yes\nsync_command: yes\n";
  const auto backend = with_shell(root, shell, commands, options);
  put(*backend, "objects/first", "before the rest, so that all is known");
  int round = 0;
  const auto publish_next = [&] { return publish_group(*backend, std::to_string(++round)); };
  const auto is_done = [](MoveResult result) { return result == MoveResult::done; };
  for (int relied_on = 0; relied_on < 3;) {  // one of them may only have tried it
    const int before = commands;
    publish_next();
    if (commands > before) ++relied_on;
    REQUIRE(round < 100);
  }
  SECTION("not run") {
    std::ofstream(code) << 254;
    CHECK(std::ranges::all_of(publish_next(), is_done));
  }
  SECTION("failed") {
    std::ofstream(code) << 1;
    const Error error = ssh::error_of([&] { publish_next(); });
    CHECK(error.kind() == ErrorKind::io);
    CHECK(std::string(error.what()).find("exit code 1") != std::string::npos);
  }
}

/// A repository's place at a peer, whose abilities are kept in `memory`.
std::unique_ptr<Backend> played(sftp::ScriptedPeer& peer, Memory& memory, sftp::Pool*& pool) {
  auto line = std::make_unique<sftp::Pool>("peer", peer.opener(), sftp::PoolOptions{});
  pool = line.get();
  return sftp::open_sftp_backend(
      std::move(line), "",
      {.run_commands = false, .memory = memory.functions(), .scratch = "tmp"});
}

TEST_CASE("a server that was seen to keep no order is waited for, in later runs too", "[sftp]") {
  Memory memory;
  sftp::Pool* pool = nullptr;
  {
    sftp::ScriptedPeer liar;
    play_liar(liar);
    const auto backend = played(liar, memory, pool);
    examined(*backend, "tmp");
    CHECK(pool->is_disorderly());
  }
  REQUIRE(memory.texts.size() == 1);
  std::string& text = memory.texts.begin()->second;
  const std::size_t place = text.find("keeps_order: no");
  REQUIRE(place != std::string::npos);

  sftp::ScriptedPeer peer;  // which answers when it is told to
  peer.greeting = sftp::version_packet(kExtensions);
  const auto received = [&peer](std::size_t count) {
    const auto requests = peer.wait_for(count);
    CHECK(requests.size() == count);
    return requests;
  };
  SECTION("as is remembered") {
    const auto backend = played(peer, memory, pool);
    const auto file = upload(*backend, "tmp/file", "content");
    const auto asked = received(1);
    REQUIRE(asked[0].type == sftp::PacketType::open);
    for (int i = 0; i < 30'000 && !pool->is_disorderly(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    REQUIRE(pool->is_disorderly());
    peer.send(handle_packet(asked[0].id));
    for (std::size_t i = 2; i <= 4; ++i)
      peer.send(sftp::status_packet(received(i).back().id));
    peer.close();
  }
  SECTION("and another one is not") {
    text.replace(place, std::string("keeps_order: no").size(), "keeps_order: yes");
    const auto backend = played(peer, memory, pool);
    const auto file = upload(*backend, "tmp/file", "content");
    peer.send(handle_packet(received(1)[0].id));
    received(4);
    peer.close();
  }
}

TEST_CASE("what a server calls itself is reported", "[ssh][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  const auto backend = ssh::backend_in(server, "");
  const ServerReport report = examined(*backend, "");
  CHECK(report.banner.starts_with("SSH-2.0-OpenSSH_"));
}

TEST_CASE("abilities are written and read back", "[sftp]") {
  sftp::Abilities abilities;
  abilities.rename = true;
  abilities.hard_links = false;
  const std::string text = sftp::format_abilities(abilities);
  CHECK(text == "rename: yes\nhard_links: no\n");
  const sftp::Abilities read = sftp::parse_abilities("news: yes\n" + text + "remove: perhaps");
  CHECK(sftp::format_abilities(read) == text);
}

// --- what people are told

TEST_CASE("a directory that gets another mode, where modes may not be changed, is told of",
          "[sftp]") {
  const Root root;
  Words notices;
  const auto backend = served(root.path(), {"-u", "0300", "-P", kOnlyAdd}, nullptr, &notices);
  CHECK(backend->make_directory("new"));
  REQUIRE(notices.size() == 1);
  CHECK(notices.front().find("/new' has the mode 0400 instead of 0700") != std::string::npos);
}

TEST_CASE("a server that writes nothing says what it refuses, and where", "[sftp]") {
  const Root root;
  const auto backend = served(root.path(), {"-R"});
  const Error error = ssh::error_of([&] { backend->create("tmp/file", 0444)->confirm(); });
  CHECK(error.kind() == ErrorKind::permission);
  CHECK(ssh::says(error, fmt::format("create 'server:{}/tmp/file': ", root.path())));
}

}  // namespace
}  // namespace reverse
