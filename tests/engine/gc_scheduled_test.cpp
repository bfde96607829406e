#include <catch2/catch.hpp>

#include "libcore/store/marks.h"
#include "tests/engine/gc_scene.h"
#include "tests/engine/schedule.h"
#include "tests/support/stride.h"

// Two writers, two gcs and a user who forgets and remembers, all at once: a scheduler decides by
// lot who makes the next call to the repository, and who dies at which.

namespace reverse {
namespace {

struct Scene : VersionsInMemory {
  Scene() {
    first = back_up(0);
    second = back_up(1);
    forget(place, first);
    write(0);
  }
  std::string first, second;
};

TEST_CASE("whatever order writers, gcs and forgetting come in, and whoever dies, nothing is lost") {
  const Scene scene;
  const unsigned schedules = 100;
  Stride stride;
  for (unsigned seed = 1; seed <= schedules; ++seed) {
    if (stride.skips()) continue;
    CAPTURE(seed);
    TrialInMemory trial(scene);
    Client laptop;
    BackupOptions options = Client::options(scene.source.path());
    BackupOptions other = options;
    other.host = "laptop";
    GcOptions usual = at_once();
    usual.trash = std::chrono::hours(24);
    std::vector<Actor> actors(5);
    actors[0].act = [&](Backend& backend) { trial.client.back_up(backend, options); };
    actors[1].act = [&](Backend& backend) { laptop.back_up(backend, other); };
    actors[2].act = [&](Backend& backend) { collect(backend, at_once()); };
    actors[3].act = [&](Backend& backend) { collect(backend, seed % 2 ? usual : at_once()); };
    actors[4].act = [&](Backend& backend) {
      make_marks(backend, {scene.second});
      remove_mark(backend, scene.first);
      remove_mark(backend, scene.second);
      make_marks(backend, {scene.first});
    };
    run_together(actors, trial.place, seed);
    for (const Actor& actor : actors) CHECK(actor.error == "");
    for (const Head& head :
         heads_of(trial.place))  // published by one that died before it could tell
      trial.expected.emplace(head.revision(), facts_of(scene.source.path()));
    trial.check_all_restore();
    collect(trial.place, at_once());
    check_clean(trial.place);
    trial.check_all_restore();
  }
}

}  // namespace
}  // namespace reverse
