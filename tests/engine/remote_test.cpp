#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/backend/ssh_fixture.h"
#include "tests/engine/client.h"
#include "tests/engine/test_clock.h"
#include "tests/engine/tree_facts.h"
#include "tests/support/temp_tree.h"

// Whole backups to the servers that there are, and whole restores from them.

namespace reverse {
namespace {

using Lines = std::vector<std::string>;

namespace fs = std::filesystem;
constexpr std::size_t kMiB = 1 << 20;

void make_tree(TempTree& tree) {
  for (int i = 0; i < 200; ++i)
    tree.write(fmt::format("d{}/f{}", i % 7, i), fmt::format("content {}", i));
  tree.write("large", ssh::pattern(5 * kMiB + 1));
  tree.hardlink("large", "d1/linked");
  tree.make_sparse("sparse", 3 * kMiB);
  tree.write("empty", "");
  tree.write("name \xff 'quoted'", "odd");
  tree.symlink("large", "link");
  tree.make_dir("empty folder");
}

/// Backs up a tree twice with a change between, and restores both revisions, each by a connection
/// of its own to `folder` of `server`.
void backs_up_and_restores(const TestServer& server, const std::string& folder = "repo") {
  const auto connect = [&] { return ssh::backend_in(server, folder, {.connections = 2}); };
  TempTree source;
  make_tree(source);
  Client client;
  const BackupReport first = client.back_up(*connect(), Client::options(source.path()));
  const TreeFacts before = facts_of(source.path());
  CHECK(first.head.outcome == Outcome::complete);

  source.write("d0/f0", "changed");
  source.write("new/file", ssh::pattern(300'000));
  source.remove("d2");
  const BackupReport second = client.back_up(*connect(), Client::options(source.path()));
  CHECK(second.head.outcome == Outcome::complete);
  CHECK(second.head.previous == first.head.id);
  CHECK(second.data_added < kMiB);

  const auto backend = connect();
  CHECK(defects(*backend) == Lines{});
  TempDir newest, older;
  restore(*backend, "latest", newest.path());
  CHECK(differences(facts_of(source.path()), facts_of(newest.path())) == Lines{});
  restore(*backend, first.head.revision(), older.path());
  CHECK(differences(before, facts_of(older.path())) == Lines{});
}

TEST_CASE("sshd with internal-sftp takes backups and gives them back", "[servers]") {
  NEEDS_SERVER(SshServer);
  backs_up_and_restores(SshServer());
}

TEST_CASE("sshd with the program sftp-server takes backups and gives them back", "[servers]") {
  NEEDS_SERVER(SshServer);
  backs_up_and_restores(SshServer({.config = "Subsystem sftp /usr/lib/openssh/sftp-server"}));
}

TEST_CASE("Dropbear with OpenSSH's sftp-server takes backups and gives them back", "[servers]") {
  NEEDS_SERVER(DropbearServer);
  backs_up_and_restores(DropbearServer());
}

TEST_CASE("ProFTPD takes backups and gives them back", "[servers]") {
  NEEDS_SERVER(ProftpdServer);
  backs_up_and_restores(ProftpdServer());
}

TEST_CASE("rclone takes backups and gives them back", "[servers]") {
  NEEDS_SERVER(RcloneServer);
  backs_up_and_restores(RcloneServer());
}

TEST_CASE("an account in a chroot, for SFTP alone, takes backups and gives them back",
          "[servers][root]") {
  NEEDS_SERVER(SshServer);
  backs_up_and_restores(SshServer({.config = "ForceCommand internal-sftp", .chroot = true}),
                        "/home/repo");
}

TEST_CASE("a server that allows two sessions on a connection takes backups and gives them back",
          "[servers]") {
  NEEDS_SERVER(SshServer);
  backs_up_and_restores(SshServer({.config = "MaxSessions 2"}));
}

TEST_CASE("tens of MiB go there and back while the keys change with every one of them",
          "[servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server({.config = "RekeyLimit 1M"});
  TempTree source;
  source.write("large", ssh::pattern(32 * kMiB));
  for (int i = 0; i < 16; ++i)
    source.write(fmt::format("{}", i), ssh::pattern(kMiB + static_cast<std::size_t>(i)));
  Client client;
  client.back_up(*ssh::backend_in(server, "repo"), Client::options(source.path()));
  TempDir target;
  restore(*ssh::backend_in(server, "repo"), "latest", target.path());
  CHECK(differences(facts_of(source.path()), facts_of(target.path())) == Lines{});
}

TEST_CASE("a backup goes on when the server's processes are killed while they write",
          "[servers]") {
  NEEDS_SERVER(SshServer);
  SshServer server;
  TempTree source;
  make_tree(source);
  source.write("huge", ssh::pattern(40 * kMiB));
  const auto backend = ssh::backend_in(server, "repo",
                                       {.connections = 3,
                                        .retry_for = std::chrono::seconds(60),
                                        .first_pause = std::chrono::milliseconds(10)});
  const auto is_being_written = [&] {
    std::error_code none;
    for (const auto& file : fs::directory_iterator(server.home() + "/repo/tmp", none))
      if (file.file_size(none) > 8 * kMiB) return true;
    return false;
  };
  std::atomic<bool> was_killed = false;
  std::jthread killer([&](const std::stop_token& stop) {
    while (!stop.stop_requested() && !is_being_written())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (!stop.stop_requested()) server.process().kill_connections();
    was_killed = !stop.stop_requested();
  });
  Client client;
  const BackupReport report = client.back_up(*backend, Client::options(source.path()));
  killer.request_stop();
  killer.join();
  REQUIRE(was_killed);
  CHECK(report.head.outcome == Outcome::complete);
  CHECK(defects(*backend) == Lines{});
  TempDir target;
  restore(*backend, "latest", target.path());
  CHECK(differences(facts_of(source.path()), facts_of(target.path())) == Lines{});
}

}  // namespace
}  // namespace reverse
