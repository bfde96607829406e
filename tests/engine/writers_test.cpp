#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <csignal>
#include <thread>

#include "libcore/base/fd.h"
#include "libcore/engine/repository_writer.h"
#include "libcore/engine/set_lock.h"
#include "libcore/hash/hasher.h"
#include "tests/engine/client.h"
#include "tests/engine/test_clock.h"
#include "tests/engine/tree_facts.h"
#include "tests/support/temp_tree.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

void make_tree(TempTree& tree, int files = 30) {
  for (int i = 0; i < files; ++i)
    tree.write("d" + std::to_string(i % 4) + "/f" + std::to_string(i), "content " + std::to_string(i));
  tree.write("large", std::string(2'500'000, 'l'));
}

void check_restored(const Place& place, const std::string& revision, const TempTree& source) {
  TempDir target;
  const Restored restored = restore(place, revision, target.path());
  CHECK(restored.report.damaged + restored.report.failed == 0);
  CHECK(differences(facts_of(source.path()), facts_of(target.path())) == Lines{});
}

/// What gc does before it deletes: nobody publishes through the old gate any more.
void close_gate(const Place& place) {
  fs::remove_all(place.path() + "/writing");
}

std::string object_of(const Place& place, const std::string& content) {
  return place.path() + "/" + object_path({hash_bytes(DigestKind::md5, content).digest, std::nullopt});
}

/// Calls `act` before each of the first `times` attempts to publish a head.
FaultBackend::Hook before_publishing(int times, std::function<void()> act) {
  return [times, act = std::move(act)](std::string_view call, const RepoPath& path, std::uint64_t) mutable {
    if (call == "publish" && path.starts_with("manifests/") && times-- > 0) act();
  };
}

struct Scene {
  Scene() {
    make_tree(source);
    advance_clock(10);
  }
  TempTree source;
  Place place;
  Client client;
};

// --- the gate

TEST_CASE("a backup whose gate was closed goes over the source again by itself, reads nothing, and publishes") {
  Scene f;
  const auto backend = f.place.connect();
  backend->set_hook(before_publishing(1, [&] { close_gate(f.place); }));
  const BackupReport report = f.client.back_up(*backend, Client::options(f.source.path()));
  CHECK(report.published);
  CHECK(report.bytes_read == 0);
  CHECK(heads_of(f.place).size() == 1);
  CHECK(heads_of(f.place)[0].outcome == Outcome::complete);
  CHECK(defects(f.place) == Lines{});
  check_restored(f.place, "latest", f.source);
}

TEST_CASE("what was taken out while the gate was closed is uploaded again") {
  Scene f;
  const auto backend = f.place.connect();
  backend->set_hook(before_publishing(1, [&] {
    close_gate(f.place);
    fs::remove(object_of(f.place, "content 7"));
    fs::remove(object_of(f.place, std::string(2'500'000, 'l')));
  }));
  const BackupReport report = f.client.back_up(*backend, Client::options(f.source.path()));
  CHECK(report.bytes_read == 2'500'009);
  CHECK(defects(f.place) == Lines{});
  check_restored(f.place, "latest", f.source);
}

TEST_CASE("a source that changed until the second pass is backed up as it is then") {
  Scene f;
  const auto backend = f.place.connect();
  backend->set_hook(before_publishing(1, [&] {
    close_gate(f.place);
    f.source.write("d0/f0", "changed meanwhile");
    f.source.remove("d1");
  }));
  f.client.back_up(*backend, Client::options(f.source.path()));
  CHECK(defects(f.place) == Lines{});
  check_restored(f.place, "latest", f.source);
}

TEST_CASE("what the first pass missed and the second found again is still known to the next run") {
  Scene f;
  f.client.back_up(f.place, f.source.path());
  f.source.rename("d1", "../away");
  const auto backend = f.place.connect();
  backend->set_hook(before_publishing(1, [&] {
    close_gate(f.place);
    f.source.rename("../away", "d1");
  }));
  CHECK(f.client.back_up(*backend, Client::options(f.source.path())).bytes_read == 0);
  CHECK(f.client.back_up(f.place, f.source.path()).bytes_read == 0);
  check_restored(f.place, "latest", f.source);
}

TEST_CASE("a gate that is closed three times running makes the backup give up for now") {
  Scene f;
  const BackupOptions options = Client::options(f.source.path());
  {
    const auto backend = f.place.connect();
    Repository::create(*backend, DigestKind::md5);
    fs::create_directories(f.place.path() + "/manifests/" + options.host + "/" + options.label);
    int closed = 0;
    backend->set_hook(before_publishing(99, [&] {
      close_gate(f.place);
      ++closed;
    }));
    try {
      f.client.back_up(*backend, options);
      FAIL("was published");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::busy);
    }
    CHECK(closed == 3);
  }
  CHECK(heads_of(f.place).empty());
  CHECK(f.client.back_up(f.place, f.source.path()).bytes_read == 0);
  CHECK(defects(f.place) == Lines{});
  check_restored(f.place, "latest", f.source);
}

TEST_CASE("temporaries removed under a backup cost a run, never a revision that lacks something") {
  Scene f;
  {
    const auto backend = f.place.connect();
    backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
      if (call == "publish" && path.starts_with("objects/")) fs::remove_all(f.place.path() + "/tmp");
    });
    CHECK_THROWS_AS(f.client.back_up(*backend, Client::options(f.source.path())), Error);
  }
  CHECK(heads_of(f.place).empty());
  f.client.back_up(f.place, f.source.path());
  CHECK(defects(f.place) == Lines{});
  check_restored(f.place, "latest", f.source);
}

// --- what a client believes to be there

TEST_CASE("an object that gc took out is uploaded again though the client has stored it once") {
  Scene f;
  f.client.back_up(f.place, f.source.path());
  const std::string object = object_of(f.place, "content 3");
  SECTION("gone") { fs::remove(object); }
  SECTION("cut off") {
    fs::permissions(object, fs::perms::owner_write, fs::perm_options::add);
    write_file(object, "");
  }
  SECTION("a page") {
    fs::remove(f.place.path() + "/" + object_path({heads_of(f.place)[0].tree.page, std::nullopt}));
  }
  close_gate(f.place);
  f.client.back_up(f.place, f.source.path());
  check_restored(f.place, "latest", f.source);
  CHECK(defects(f.place) == Lines{});
}

TEST_CASE("a repository put back from an older copy gets again what it lost, whatever the client knows") {
  Scene f;
  f.client.back_up(f.place, f.source.path());
  fs::copy(f.place.path(), f.place.path() + ".copy", fs::copy_options::recursive);
  f.source.write("d9/new", "stored after the copy");
  f.source.write("large too", std::string(2'000'000, 'n'));
  advance_clock(10);
  f.client.back_up(f.place, f.source.path());
  fs::remove_all(f.place.path());
  fs::rename(f.place.path() + ".copy", f.place.path());
  REQUIRE(heads_of(f.place).size() == 1);
  const BackupReport report = f.client.back_up(f.place, f.source.path());
  CHECK(report.bytes_read == 2'000'021);
  CHECK(report.head.previous == heads_of(f.place)[0].id);
  CHECK(defects(f.place) == Lines{});
  check_restored(f.place, "latest", f.source);
}

TEST_CASE("a clone of a machine, its cache included, does not believe what only the other has stored") {
  Scene f;
  f.client.back_up(f.place, f.source.path());
  Client clone;
  fs::copy(f.client.cache(), clone.cache(), fs::copy_options::recursive);
  f.source.write("new", "by the first");
  f.client.back_up(f.place, f.source.path());
  f.source.write("newer", "by the clone");
  clone.back_up(f.place, f.source.path());
  CHECK(defects(f.place) == Lines{});
  check_restored(f.place, "latest", f.source);
}

TEST_CASE("what another client has stored is read once to be believed, and not uploaded") {
  Scene f;
  f.client.back_up(f.place, f.source.path());
  Client other;
  BackupOptions options = Client::options(f.source.path());
  options.host = "laptop";
  const BackupReport report = other.back_up(f.place, options);
  CHECK(report.head.new_objects == 0);
  CHECK(report.head.tree == heads_of(f.place)[0].tree);
  CHECK(defects(f.place) == Lines{});
}

// --- at the same time

TEST_CASE("several clients store the same and other contents at the same time") {
  Place place;
  std::vector<TempTree> trees(3);
  for (std::size_t i = 0; i < trees.size(); ++i) {
    make_tree(trees[i], 60);
    for (int n = 0; n < 20; ++n) trees[i].write("own/" + std::to_string(n), std::to_string(n + 100 * int(i)));
  }
  Repository::create(*place.connect(), DigestKind::md5);
  std::vector<Client> clients(2);
  clients.push_back(Client::beside(clients[0]));  // two processes with one cache
  std::vector<std::string> errors(3);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < trees.size(); ++i)
    threads.emplace_back([&, i] {
      try {
        for (int round = 0; round < 4; ++round) clients[i].back_up(place, trees[i].path());
      } catch (const std::exception& error) {
        errors[i] = error.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(errors == Lines(3));
  CHECK(heads_of(place).size() == 12);
  CHECK(defects(place) == Lines{});
  for (const TempTree& tree : trees) {
    const std::string set = Client::options(tree.path()).host + "/" + Client::options(tree.path()).label;
    check_restored(place, set, tree);
  }
}

TEST_CASE("two runs within one second get names in their order") {
  Scene f;
  for (int i = 0; i < 5; ++i) f.client.back_up(f.place, f.source.path());
  const std::vector<Head> heads = heads_of(f.place);
  REQUIRE(heads.size() == 5);
  for (std::size_t i = 1; i < heads.size(); ++i) CHECK(heads[i].previous == heads[i - 1].id);
}

// --- one backup of a set at a time

TEST_CASE("a set is backed up once at a time, and whoever comes second is told by whom") {
  TempDir cache;
  {
    const SetLock lock(cache.path(), "id", "desk/home");
    const SetLock other_set(cache.path(), "id", "desk/srv");
    const SetLock other_repository(cache.path(), "id2", "desk/home");
    try {
      const SetLock second(cache.path(), "id", "desk/home");
      FAIL("both run");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::busy);
      CHECK(std::string(error.what()).find(std::to_string(::getpid())) != std::string::npos);
    }
  }
  CHECK_NOTHROW(SetLock(cache.path(), "id", "desk/home"));
}

TEST_CASE("the lock of a set goes with its process") {
  TempDir cache;
  const pid_t child = ::fork();
  if (child == 0) {
    const SetLock lock(cache.path(), "id", "desk/home");
    ::raise(SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK_NOTHROW(SetLock(cache.path(), "id", "desk/home"));
}

}  // namespace
}  // namespace reverse
