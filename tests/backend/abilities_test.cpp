#include "libcore/backend/sftp/abilities.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <map>

#include "tests/backend/conformance.h"
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
    const auto open = [&commands, shell]() -> std::unique_ptr<sftp::Link> {
      return std::make_unique<CommandsLink>(
          std::make_unique<sftp::ChildLink>(Words{"/usr/lib/openssh/sftp-server"}, shell), commands);
    };
    const auto backend = sftp::open_sftp_backend(
        std::make_unique<sftp::Pool>("server", open, sftp::PoolOptions{}), root.path(), options);
    put(*backend, "objects/" + round, "before the rest, so that all is known");
    commands = 0;
    for (int count = 0; count < 100 && !is_done(); ++count) {
      std::vector<std::unique_ptr<Upload>> uploads;
      std::vector<Publication> group;
      for (int i = 0; i < 40; ++i) {
        const std::string name = fmt::format("{}.{}.{}", round, count, i);
        uploads.push_back(upload(*backend, "tmp/" + name, "content"));
        group.push_back({uploads.back().get(), "objects/" + name});
      }
      for (const MoveResult result : backend->publish(group)) CHECK(result == MoveResult::done);
    }
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
