#include <catch2/catch.hpp>
#include <random>

#include "tests/engine/gc_scene.h"
#include "tests/support/backends/memory_backend.h"
#include "tests/support/stride.h"

// gc killed, failed or cut off from power at any call to its repository: everything published is
// whole, writers go on, and the next run ends what was begun.

namespace reverse {
namespace {

using Lines = std::vector<std::string>;

/// A repository in which gc has all of its work: a revision to expire, another's objects in the
/// trash of a run that was killed, and some there that nobody needs.
template <typename S>
struct SceneAt : VersionsAt<S> {
  SceneAt() {
    forget(this->place, this->back_up(0));
    this->back_up(1);
    const std::string run(32, 'd');
    for (const char* content : {"shared 1", "shared 2", "version 1 file 1"})
      put_into_trash(this->place, run, content);
    put_into_trash(this->place, run, "shared 3", Trashed::copied);
    this->write(0);  // what a writer backs up next needs what gc is about to take out
  }
};
using Scene = SceneAt<Medium>;

/// Runs gc so that it dies at call `n` if it comes to that.
template <typename S>
auto collect_killed(const S& place, std::uint64_t n) {
  return run_killed(place, n, [](Backend& backend) { collect(backend, at_once()); });
}

TEST_CASE(
    "killed at any call, gc leaves a sound repository; writers go on, and the next run ends it") {
  const Scene scene;
  for (std::uint64_t n : moments_of_gc(scene, at_once())) {
    CAPTURE(n);
    TrialInMemory trial(scene);
    const auto dead = collect_killed(trial.place, n);
    trial.check_all_restore();
    CHECK(heads_of(trial.place).size() >= 1);
    const bool writer_first = n % 2 == 0;
    if (writer_first) trial.back_up();
    const GcReport report = collect(trial.place, at_once());
    CHECK(report.revisions == (writer_first ? 2 : 1));
    check_clean(trial.place);
    trial.back_up();
    trial.check_all_restore();
  }
}

TEST_CASE("killed over and over, gc comes to its end") {
  const SceneAt<Place> scene;  // whose processes die in truth
  Trial trial(scene);
  const std::size_t calls = calls_of_gc(scene, at_once()).size();
  for (std::uint64_t n = 280; n < calls; n += 7) collect_killed(trial.place, n);
  collect(trial.place, at_once());
  CHECK(heads_of(trial.place).size() == 1);
  check_clean(trial.place);
  trial.check_all_restore();
}

TEST_CASE("an error at any call ends gc without a loss, and the next run ends what it began") {
  const Scene scene;
  const ErrorKind kind = GENERATE(ErrorKind::io, ErrorKind::no_space);
  for (std::uint64_t n : moments_of_gc(scene, at_once(), 2)) {
    CAPTURE(n);
    TrialInMemory trial(scene);
    const auto backend = trial.place.connect();
    backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t number) {
      if (number == n) fail(kind, "fault on demand: {} {}", call, path);
    });
    try {
      collect(*backend, at_once());
    } catch (const Error& error) {
      CHECK((error.kind() == kind || error.kind() == ErrorKind::corrupt));
    }
    trial.check_all_restore();
    collect(trial.place, at_once());
    check_clean(trial.place);
    trial.check_all_restore();
  }
}

TEST_CASE("a stop at any call ends gc without a loss") {
  const Scene scene;
  std::size_t cancelled = 0;
  for (std::uint64_t n : moments_of_gc(scene, at_once(), 2)) {
    CAPTURE(n);
    TrialInMemory trial(scene);
    const auto backend = trial.place.connect();
    std::stop_source stop;
    backend->set_hook([&](std::string_view, const RepoPath&, std::uint64_t number) {
      if (number == n) stop.request_stop();
    });
    RecordingObserver observer;
    try {
      run_gc(Repository::open(*backend, true), at_once(), observer, stop.get_token());
    } catch (const Cancelled&) {
      ++cancelled;
    }
    trial.check_all_restore();
    collect(trial.place, at_once());
    check_clean(trial.place);
  }
  CHECK(cancelled * Stride::every() > 10);
}

// --- power

/// A repository on a medium that loses what was not made durable.
struct PoweredScene {
  PoweredScene() {
    storage = std::make_shared<MemoryStorage>();
    MemoryBackend backend(storage);
    for (int version : {0, 1}) {
      for (int i = 0; i < 5; ++i)
        source.write("f" + std::to_string(i), i < 2 ? std::string("shared ") + std::to_string(i)
                                                    : std::to_string(version * 10 + i));
      revisions.push_back(client.back_up(backend, Client::options(source.path())).head.revision());
    }
    std::unique_ptr<Upload> mark = backend.create("tmp/mark", 0444);
    mark->close();
    std::string set = revisions[0].substr(0, revisions[0].rfind('/'));
    backend.make_directory("forgotten/" + set.substr(0, set.find('/')));
    backend.make_directory("forgotten/" + set);
    Publication publication{mark.get(), "forgotten/" + revisions[0]};
    backend.publish({&publication, 1});
    backend.barrier({});
  }

  TempTree source;
  Client client;
  std::shared_ptr<MemoryStorage> storage;
  Lines revisions;
};

TEST_CASE("when power fails at any call of gc, whatever names survive, every revision is whole") {
  std::mt19937 random(7);  // NOLINT(cert-msc51-cpp): the same in each run
  bool cut = true;
  Stride stride;
  for (std::uint64_t n = 1; cut; n += n < 300 && n > 25 && n < 270 ? 31 : 1) {
    if (stride.skips()) continue;
    CAPTURE(n);
    PoweredScene scene;
    {
      FaultBackend backend(std::make_unique<MemoryBackend>(scene.storage));
      backend.crash_at(n);
      cut = false;
      try {
        collect(backend, at_once());
      } catch (const Crash&) {
        cut = true;
      }
      const int survival = static_cast<int>(n % 3);  // none, all, or any
      scene.storage->power_cut([&] { return survival == 1 || (survival == 2 && random() % 2); });
    }
    MemoryBackend after(scene.storage);
    CHECK(defects(after) == Lines{});
    collect(after, at_once());
    CHECK(defects(after) == Lines{});
    const BackupReport report = scene.client.back_up(after, Client::options(scene.source.path()));
    CHECK(report.published);
    CHECK(defects(after) == Lines{});
  }
}

TEST_CASE("a copy in the trash goes only when the other is durable, whoever made that (F3)") {
  PoweredScene scene;
  MemoryBackend gc(scene.storage);
  MemoryBackend writer(scene.storage);
  const std::string object = object_of("shared 1");
  const std::string run = "trash/" + std::string(32, 'e');
  gc.make_directory(run);
  REQUIRE(gc.move(object, run + object.substr(object.rfind('/'))) == MoveResult::done);
  gc.barrier({});
  std::unique_ptr<Upload> again = writer.create("tmp/again", 0444);
  again->write("shared 1");
  again->close();
  Publication publication{again.get(), object};
  REQUIRE(writer.publish({&publication, 1}).front() == MoveResult::done);  // and no barrier
  collect(gc, at_once());
  scene.storage->power_cut();
  MemoryBackend after(scene.storage);
  CHECK_FALSE(after.stat(run + object.substr(object.rfind('/'))));
  CHECK(defects(after) == Lines{});
}

}  // namespace
}  // namespace reverse
