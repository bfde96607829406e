#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "libcore/base/fd.h"
#include "libcore/hash/hasher.h"
#include "tests/engine/client.h"
#include "tests/engine/test_clock.h"
#include "tests/engine/tree_facts.h"
#include "tests/support/temp_tree.h"

// Sources that change, vanish or refuse to be read while they are backed up. The backup's own calls
// to the repository are where the test steps in: a large file is being read when it is written there.

namespace reverse {
namespace {

using Lines = std::vector<std::string>;

constexpr std::size_t kLarge = 3'000'000;

/// Calls `act` when the first block of a large file goes to the repository.
FaultBackend::Hook while_reading(std::function<void()> act) {
  return [act = std::move(act), done = false](std::string_view call, const RepoPath& path, std::uint64_t) mutable {
    if (done || call != "write" || !path.starts_with("tmp/")) return;
    done = true;
    act();
  };
}

/// The entry at `path` of a revision: `latest` is the newest complete one.
Entry entry_at(const Place& place, const std::string& path, const std::string& revision = "latest") {
  for (Entry& entry : entries_of(place, revision))
    if (entry.path == path) return std::move(entry);
  FAIL("no entry " + path);
  return {};
}

Problem only_problem(const BackupReport& report) {
  REQUIRE(report.head.problems.size() == 1);
  return report.head.problems[0];
}

std::string restored_file(const Place& place, const std::string& name) {
  TempDir target;
  restore(place, "latest", target.path());
  return read_file(target / name);
}

struct Scene {
  Scene() {
    source.write("large", std::string(kLarge, 'a'));
    source.write("small", "small");
    source.write("z/last", "last");
  }
  BackupReport back_up_while(std::function<void()> act) {
    const auto backend = place.connect();
    backend->set_hook(while_reading(std::move(act)));
    return client.back_up(*backend, Client::options(source.path()));
  }
  void append(const std::string& name, const std::string& bytes) {
    const UniqueFd fd = open_file(source / name, O_WRONLY | O_APPEND);
    write_full(fd.get(), bytes, name);
  }
  TempTree source;
  Place place;
  Client client;
};

// --- while it is read

TEST_CASE("a file that changes once while it is read is read again, whole") {
  Scene f;
  SECTION("grows") {
    f.back_up_while([&] { f.append("large", "more"); });
  }
  SECTION("shrinks") {
    f.back_up_while([&] { REQUIRE(::truncate((f.source / "large").c_str(), 1'500'000) == 0); });
  }
  SECTION("is rewritten in place") {
    f.back_up_while([&] {
      const UniqueFd fd = open_file(f.source / "large", O_WRONLY);
      CHECK(::pwrite(fd.get(), "b", 1, kLarge - 1) == 1);
    });
  }
  CHECK(restored_file(f.place, "large") == f.source.read("large"));
  CHECK_FALSE(entry_at(f.place, "large").changed);
  CHECK(heads_of(f.place)[0].outcome == Outcome::complete);
}

TEST_CASE("a file that never stops changing is stored as it was read, marked, and read again next time") {
  Scene f;
  const auto backend = f.place.connect();
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call == "write" && path.starts_with("tmp/")) f.append("large", "x");
  });
  const BackupReport report = f.client.back_up(*backend, Client::options(f.source.path()));
  CHECK(report.files_changed_while_read == 1);
  CHECK(report.head.outcome == Outcome::complete);
  CHECK(only_problem(report).stage == "changed");
  CHECK(entry_at(f.place, "large").changed);
  CHECK(defects(f.place) == Lines{});  // the digest is that of the bytes stored
  TempDir target;
  CHECK(restore(f.place, "latest", target.path()).report.damaged == 0);
  advance_clock(10);
  f.client.back_up(f.place, f.source.path());
  CHECK(restored_file(f.place, "large") == f.source.read("large"));
  CHECK_FALSE(entry_at(f.place, "large").changed);
}

TEST_CASE("a small file that has grown large since it was listed is backed up as it is") {
  Scene f;
  f.source.write("a/first", std::string(kLarge, 'f'));  // read first
  f.back_up_while([&] { REQUIRE(::truncate((f.source / "z/last").c_str(), 200 << 20) == 0); });
  CHECK(entry_at(f.place, "z/last").size == 200 << 20);
  CHECK(defects(f.place) == Lines{});
}

TEST_CASE("an error of the repository while a grown file is stored is no error of that file") {
  Scene f;
  Repository::create(*f.place.connect(), DigestKind::md5);
  f.source.write("a/first", std::string(kLarge, 'f'));
  const auto backend = f.place.connect();
  std::map<std::string, int> writes;
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call != "write" || !path.starts_with("tmp/")) return;
    if (writes.empty()) REQUIRE(::truncate((f.source / "z/last").c_str(), 200 << 20) == 0);
    if (++writes[path] > 20) fail(ErrorKind::no_space, "full");  // only the grown file has so many blocks
  });
  try {
    f.client.back_up(*backend, Client::options(f.source.path()));
    FAIL("was published");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::no_space);
  }
  CHECK(heads_of(f.place).empty());
}

TEST_CASE("a writer at work all the time cannot make a digest and its bytes disagree") {
  TempTree source;
  for (int i = 0; i < 8; ++i) source.write("f" + std::to_string(i), std::string(40'000, 'a'));
  source.write("large", std::string(kLarge, 'a'));
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (unsigned i = 0; !done; ++i) {
      const std::string name = i % 9 == 8 ? "large" : "f" + std::to_string(i % 9);
      const UniqueFd fd = open_file(source / name, O_WRONLY);
      const char byte = static_cast<char>('a' + i % 26);
      if (::pwrite(fd.get(), &byte, 1, i * 977 % 40'000) != 1) return;
      if (i % 5 == 0 && ::ftruncate(fd.get(), 30'000 + i % 20'000) != 0) return;
    }
  });
  Place place;
  Client client;
  for (int round = 0; round < 3; ++round) client.back_up(place, source.path());
  done = true;
  writer.join();
  CHECK(defects(place) == Lines{});
  client.back_up(place, source.path());
  advance_clock(10);
  client.back_up(place, source.path());
  TempDir target;
  restore(place, "latest", target.path());
  CHECK(differences(facts_of(source.path()), facts_of(target.path())) == Lines{});
}

TEST_CASE("a file that vanishes before it is opened is counted, and makes nothing incomplete") {
  TempTree source;
  for (int i = 100; i < 400; ++i) source.write("f" + std::to_string(i), "content " + std::to_string(i));
  Place place;
  Client client;
  const auto backend = place.connect();
  // The gate is entered after the source was opened and before it is walked; then the names go one by one.
  std::atomic<bool> done{false};
  std::thread remover;
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call != "create" || !path.starts_with("writing/") || remover.joinable()) return;
    remover = std::thread([&] {
      for (int i = 399; i >= 100 && !done; --i) ::unlink((source / ("f" + std::to_string(i))).c_str());
    });
  });
  BackupOptions options = Client::options(source.path());
  options.allow = {"empty"};
  const BackupReport report = client.back_up(*backend, options);
  done = true;
  remover.join();
  CHECK(report.head.outcome == Outcome::complete);
  CHECK(report.head.problem_count == report.files_vanished);
  CHECK(defects(place) == Lines{});
}

TEST_CASE("files saved by replacing them are backed up in one version or the other, not left out") {
  TempTree source;
  for (int i = 0; i < 50; ++i) source.write("f" + std::to_string(i), "version 0");
  std::atomic<bool> done{false};
  std::thread editor([&] {
    for (unsigned i = 1; !done; ++i) {
      source.write("new", "version " + std::to_string(i));
      source.rename("new", "f" + std::to_string(i % 50));
    }
  });
  Place place;
  Client client;
  bool all_there = true;
  for (int round = 0; round < 10; ++round) {
    const BackupReport report = client.back_up(place, source.path());
    for (const Problem& problem : report.head.problems)
      if (problem.path != "new") all_there = false, UNSCOPED_INFO(problem.path << " " << problem.error);
  }
  done = true;
  editor.join();
  CHECK(all_there);
  CHECK(defects(place) == Lines{});
}

TEST_CASE("a file that was replaced by something else before it is read is a problem, not a hang") {
  TempTree source;
  source.write("large", std::string(kLarge, 'a'));
  for (int i = 100; i < 300; ++i) source.write("x" + std::to_string(i), std::string(20'000, 'x'));
  Place place;
  Client client;
  const auto backend = place.connect();
  backend->set_hook(while_reading([&] {
    for (int i = 299; i > 250; --i) {
      const std::string name = "x" + std::to_string(i);
      source.remove(name);
      if (i % 3 == 0) source.make_fifo(name);
      if (i % 3 == 1) source.symlink("large", name);
      if (i % 3 == 2) source.make_dir(name);
    }
  }));
  client.back_up(*backend, Client::options(source.path()));
  CHECK(defects(place) == Lines{});
  client.back_up(place, source.path());
  TempDir target;
  restore(place, "latest", target.path());
  CHECK(differences(facts_of(source.path()), facts_of(target.path())) == Lines{});
}

// --- what cannot be read

TEST_CASE("an unreadable file is named, the revision incomplete, and the rest there") {
  Scene f;
  f.source.set_mode("small", 0);
  const BackupReport report = f.client.back_up(f.place, f.source.path());
  CHECK(report.published);
  CHECK(report.head.outcome == Outcome::incomplete);
  CHECK(only_problem(report).path == "small");
  CHECK(only_problem(report).stage == "open");
  REQUIRE(f.client.observer->problems.size() == 1);
  const Entry entry = entry_at(f.place, "small");
  CHECK_FALSE(entry.error.empty());
  CHECK_FALSE(entry.digest.has_value());
  TempTree target;
  const Restored restored = restore(f.place, "latest", target.path());
  CHECK(restored.report.unreadable == 1);
  CHECK(restored.report.damaged == 0);
  CHECK(target.read("z/last") == "last");
  CHECK_FALSE(target.exists("small"));
}

TEST_CASE("an unreadable file that is known is not read, but it is said that it would have to be") {
  Scene f;
  advance_clock(10);
  f.client.back_up(f.place, f.source.path());
  f.source.set_mode("small", 0);
  const BackupReport report = f.client.back_up(f.place, f.source.path());
  CHECK(report.head.outcome == Outcome::incomplete);
  f.source.set_mode("small", 0644);
  advance_clock(10);
  CHECK(f.client.back_up(f.place, f.source.path()).head.outcome == Outcome::complete);
  CHECK(restored_file(f.place, "small") == "small");
}

TEST_CASE("an unreadable directory is named, and what is known of its files is kept") {
  Scene f;
  for (int i = 0; i < 4; ++i) f.source.write("z/dir/f" + std::to_string(i), "content");
  advance_clock(10);
  f.client.back_up(f.place, f.source.path());
  f.source.set_mode("z/dir", 0);
  const BackupReport report = f.client.back_up(f.place, f.source.path());
  CHECK(report.head.outcome == Outcome::incomplete);
  CHECK(only_problem(report).path == "z/dir");
  CHECK(only_problem(report).stage == "list");
  CHECK(report.files_gone == 0);
  CHECK_FALSE(entry_at(f.place, "z/dir", report.head.revision()).error.empty());
  f.source.set_mode("z/dir", 0755);
  const BackupReport next = f.client.back_up(f.place, f.source.path());
  CHECK(next.bytes_read == 0);
  CHECK(next.head.outcome == Outcome::complete);
}

TEST_CASE("a directory whose names can be listed but not examined loses none of them silently") {
  Scene f;
  f.source.write("z/dir/inside", "x");
  f.source.set_mode("z/dir", 0444);
  const BackupReport report = f.client.back_up(f.place, f.source.path());
  CHECK(report.head.outcome == Outcome::incomplete);
  CHECK(report.head.problem_count >= 1);
  f.source.set_mode("z/dir", 0755);
}

TEST_CASE("a source that cannot be read at all is an error, and nothing is published") {
  Scene f;
  f.source.set_mode("z", 0);
  CHECK_THROWS_AS(f.client.back_up(f.place, f.source / "z/last"), Error);
  CHECK_THROWS_AS(f.client.back_up(f.place, f.source / "not there"), Error);
  f.source.set_mode("z", 0755);
  CHECK(heads_of(f.place).empty());
}

TEST_CASE("of very many problems the first hundred are named and all are counted") {
  TempTree source;
  for (int i = 0; i < 130; ++i) source.write("f" + std::to_string(i), "x", 0);
  Place place;
  Client client;
  const BackupReport report = client.back_up(place, source.path());
  CHECK(report.head.problems.size() == 100);
  CHECK(report.head.problem_count == 130);
  CHECK(heads_of(place)[0].problem_count == 130);
}

}  // namespace
}  // namespace reverse
