#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "tests/engine/gc_scene.h"
#include "tests/engine/test_clock.h"

// Backups that take longer than gc waits: what they have sent is taken out meanwhile, and is not
// sent again.

namespace reverse {
namespace {

/// What one machine sends to objects/, over several runs.
struct Sent {
  std::size_t uploads = 0;
  std::map<std::string, int> times;  ///< that an object got its name by an upload

  void count(std::string_view call, const RepoPath& path) {
    uploads += call == "create" && path.starts_with("tmp/");
    if (call == "publish" && path.starts_with("objects/")) ++times[path];
  }
};

/// A first backup that comes further with each attempt, and takes days for it.
struct LongBackup {
  LongBackup() { Repository::create(*place.connect(), DigestKind::md5); }

  /// Sends fifty more files; `nights` pass, each with gc, before it is about to publish. Then it is
  /// killed, or goes on to its end.
  void attempt(int number, int nights, bool is_killed) {
    for (int i = 0; i < 50; ++i)
      source.write(fmt::format("d{}/f{}", number, i), fmt::format("attempt {} file {}", number, i));
    advance_clock(10);
    const auto backend = place.connect();
    bool dead = false;
    backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
      if (call == "publish" && path.starts_with("manifests/")) {
        for (; nights > 0; --nights) pass_night();
        dead |= is_killed;
      }
      if (dead) throw Crash();
      sent.count(call, path);
    });
    if (is_killed)
      CHECK_THROWS_AS(client.back_up(*backend, Client::options(source.path())), Crash);
    else
      CHECK(client.back_up(*backend, Client::options(source.path())).published);
  }

  void pass_night() {
    age(place, 24);
    GcOptions nightly;
    nightly.allow = {"mass-gc"};
    taken_out += collect(place, nightly).taken_out;
  }

  TempTree source;
  Place place;
  Client client;
  Sent sent;
  std::uint64_t taken_out = 0;
};

TEST_CASE("a first backup killed four times in eight days, gc every night, sends nothing twice "
          "(F6)") {
  LongBackup f;
  const int nights[] = {1, 2, 1, 2,
                        1};  // on the seventh, what was sent on the first day is too old
  for (int number = 0; number < 5; ++number) f.attempt(number, nights[number], number < 4);
  CHECK(f.taken_out >= 50);
  CHECK(f.sent.uploads == f.sent.times.size());
  for (const auto& [object, times] : f.sent.times) {
    CAPTURE(object);
    CHECK(times == 1);
  }
  REQUIRE(heads_of(f.place).size() == 1);
  CHECK(heads_of(f.place).front().outcome == Outcome::complete);
  CHECK(heads_of(f.place).front().files == 250);
  CHECK(defects(f.place).empty());
}

TEST_CASE("a writer puts back from the trash only what is whole") {
  Versions f;
  forget(f.place, f.back_up(0));
  f.back_up(1);
  GcOptions options = at_once();
  options.trash = std::chrono::hours(24);
  CHECK(collect(f.place, options).in_trash > 0);
  const std::string rotten = object_of("version 0 file 2");
  for (const std::string& name : files_below(f.place, "trash"))
    if (name.ends_with(rotten.substr(rotten.rfind('/'))))
      replace_file(f.place.path() + "/trash/" + name, "version X file 2");
  f.write(0);
  const auto backend = f.place.connect();
  Sent sent;
  backend->set_hook(
      [&](std::string_view call, const RepoPath& path, std::uint64_t) { sent.count(call, path); });
  f.expected[f.client.back_up(*backend, Client::options(f.source.path())).head.revision()] =
      facts_of(f.source.path());
  CHECK(sent.times.count(rotten) == 1);
  CHECK(sent.times.count(object_of("version 0 file 1")) == 0);
  CHECK(defects(f.place).empty());
  f.check_all_restore();
  collect(f.place, at_once());
  check_clean(f.place);
  f.check_all_restore();
}

TEST_CASE("a machine whose last revision gc removed still knows what is there") {
  Versions f;
  const std::string first = f.back_up(0);
  BackupOptions other = Client::options(f.source.path());
  other.label = "copy";
  const std::string last = f.client.back_up(f.place, other).head.revision();
  forget(f.place, last);
  const GcReport report = collect(f.place, at_once());
  CHECK(report.expired == std::vector<std::string>{last});
  CHECK_FALSE(report.gate_closed);  // every object is the first's as well
  const auto backend = f.place.connect();
  int looks = 0;
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    looks += call == "stat" && path.starts_with("objects/");
  });
  f.client.back_up(*backend, Client::options(f.source.path()));
  CHECK(looks == 0);
  f.expected[heads_of(f.place).back().revision()] = facts_of(f.source.path());
  f.check_all_restore();
}

}  // namespace
}  // namespace reverse
