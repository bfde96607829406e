#include "libcore/engine/quarantine.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "libcore/base/fd.h"
#include "libcore/store/gate.h"
#include "tests/engine/repair_scene.h"
#include "tests/engine/schedule.h"
#include "tests/support/stride.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Action = Repair::Action;
using Names = std::set<std::string>;

std::vector<Finding> findings_of(const Place& place) {
  return verify(place).report.findings;
}

std::string object_path_in(const Place& place, const std::string& content) {
  return place.path() + "/" + object_of(content);
}

Names names_in(const Place& place, const std::string& directory) {
  const std::vector<std::string> files = files_below(place, directory);
  return {files.begin(), files.end()};
}

TEST_CASE("what is damaged and needed goes to bad/, and the next backup stores it again",
          "[quarantine]") {
  DamagedScene scene;
  const Names spoilt = scene.spoil_files();
  const Quarantined done = quarantine(scene.place);
  CHECK(done.report.quarantined == spoilt.size() - 1);  // one is missing
  CHECK(done.report.gate_closed);
  Names bad = names_in(scene.place, "bad");
  bad.insert(base_name(object_of("shared 5")));
  CHECK(bad == spoilt);
  CHECK(files_below(scene.place, "trash").empty());
  CHECK(verify(scene.place).report.objects_damaged == spoilt.size());

  // Nothing has changed for the machine, and it knew all of them to be present.
  const BackupReport again = scene.client.back_up(scene.place, scene.source.path());
  CHECK(again.files_changed + again.files_new == 0);
  scene.expected[again.head.revision()] = facts_of(scene.source.path());
  CHECK(again.head.new_objects == spoilt.size());
  check_verifies(scene.place);
  scene.check_all_restore();
}

TEST_CASE("without quarantine, a backup that knows an object to be present leaves the damage",
          "[quarantine]") {
  DamagedScene scene;
  scene.spoil_files();
  CHECK(scene.client.back_up(scene.place, scene.source.path()).head.new_objects == 0);
  CHECK(verify(scene.place).report.is_damaged());
}

TEST_CASE("an object that is only missing is stored again as well", "[quarantine]") {
  DamagedScene scene;
  fs::remove(object_path_in(scene.place, "shared 5"));
  const Quarantined done = quarantine(scene.place);
  CHECK(done.report.gate_closed);
  CHECK(done.actions.empty());
  scene.client.back_up(scene.place, scene.source.path());
  check_verifies(scene.place);
}

TEST_CASE("damaged pages are written again by the next backup of an unchanged tree",
          "[quarantine]") {
  DamagedScene scene;
  const Head head = heads_of(scene.place).back();
  flip_bit(scene.place.path() + "/" + object_path({head.tree.page, std::nullopt}), 500);
  CHECK(quarantine(scene.place).report.quarantined == 1);
  scene.client.back_up(scene.place, scene.source.path());
  check_verifies(scene.place);
}

TEST_CASE("a write through a hard-linked view is found, taken out and stored anew",
          "[quarantine]") {
  DamagedScene scene;
  const std::string object = object_path_in(scene.place, "shared 1");
  const std::string view = scene.place.path() + "-view";
  fs::create_hard_link(object, view);
  REQUIRE(::chmod(view.c_str(), 0644) == 0);
  std::ofstream(view, std::ios::app) << " and more";
  REQUIRE(::chmod(view.c_str(), 0444) == 0);
  CHECK(verify(scene.place).kinds() == Names{"size " + base_name(object)});
  CHECK(quarantine(scene.place).report.quarantined == 1);
  scene.client.back_up(scene.place, scene.source.path());
  check_verifies(scene.place);
  CHECK(read_file(object) == "shared 1");
  CHECK(fs::hard_link_count(object) == 1);
  CHECK(read_file(view) == "shared 1 and more");  // the view keeps what it had
}

TEST_CASE("a restore from bad/ gives no wrong file a right name", "[quarantine]") {
  DamagedScene scene;
  scene.spoil_files();
  quarantine(scene.place);
  TempDir target;
  const Restored restored = restore(scene.place, "latest", target.path());
  CHECK(restored.report.damaged == 7);
  for (const char* name : {"shared/f1", "shared/f2", "shared/f5", "own/f1", "own/large"})
    CHECK_FALSE(fs::exists(target / name));
  CHECK(read_file(target / "shared/f6") == "shared 6");
}

TEST_CASE("bad/ is looked into last, and what is whole there goes back", "[quarantine]") {
  DamagedScene scene;
  const std::string name = base_name(object_of("shared 1"));
  fs::create_directories(scene.place.path() + "/bad");
  fs::rename(object_path_in(scene.place, "shared 1"), scene.place.path() + "/bad/" + name);
  scene.check_all_restore();
  CHECK(verify(scene.place).damages.empty());
  const Quarantined done = quarantine(scene.place);
  CHECK(done.actions == std::map<std::string, Action>{{name, Action::put_back}});
  CHECK(has_object(scene.place, "shared 1"));

  write_file(scene.place.path() + "/bad/" + name, "shared 0", 0444);
  scene.check_all_restore();  // the damaged copy is never asked
}

// --- others at work (F8)

TEST_CASE("what was healed since it was found is not moved", "[quarantine]") {
  DamagedScene scene;
  flip_bit(object_path_in(scene.place, "shared 1"), 3);
  const std::vector<Finding> findings = findings_of(scene.place);
  flip_bit(object_path_in(scene.place, "shared 1"), 3);
  const auto backend = scene.place.connect();
  CHECK(quarantine(*backend, findings).actions.empty());
  CHECK(backend->calls("move") == 0);
  CHECK(has_object(scene.place, "shared 1"));
}

TEST_CASE("a whole object that a writer put there at the last moment is put back (F8 a)",
          "[quarantine]") {
  DamagedScene scene;
  flip_bit(object_path_in(scene.place, "shared 1"), 3);
  const std::vector<Finding> findings = findings_of(scene.place);
  const auto backend = scene.place.connect();
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call == "move" && path == object_of("shared 1"))
      flip_bit(object_path_in(scene.place, "shared 1"), 3);
  });
  const Quarantined done = quarantine(*backend, findings);
  CHECK(done.report.quarantined == 0);
  CHECK(done.report.put_back == 1);
  CHECK(has_object(scene.place, "shared 1"));
  CHECK(files_below(scene.place, "bad").empty());
  scene.check_all_restore();
}

TEST_CASE("a quarantine that died before the gate was closed is ended by gc, or by the next (F8 c)",
          "[quarantine]") {
  DamagedScene scene;
  flip_bit(object_path_in(scene.place, "shared 1"), 3);
  const std::vector<Finding> findings = findings_of(scene.place);
  {
    const auto backend = scene.place.connect();
    backend->set_hook([](std::string_view call, const RepoPath& path, std::uint64_t) {
      if (call == "move" && path == "writing") throw Crash();
    });
    CHECK_THROWS_AS(quarantine(*backend, findings), Crash);
  }
  CHECK(files_below(scene.place, "trash").size() == 1);
  SECTION("gc") {
    CHECK(collect(scene.place, at_once()).damaged == 1);
  }
  SECTION("the next quarantine") {
    CHECK(quarantine(scene.place).report.quarantined == 1);
  }
  CHECK(names_in(scene.place, "bad") == Names{base_name(object_of("shared 1"))});
  scene.client.back_up(scene.place, scene.source.path());
  check_verifies(scene.place);
}

TEST_CASE("killed at any call, quarantine leaves a repository that the next one heals with a backup",
          "[quarantine]") {
  DamagedScene scene;
  const Names spoilt = scene.spoil_files();
  const std::vector<Finding> findings = findings_of(scene.place);
  std::uint64_t calls = 0;
  {
    Trial rehearsal(scene);
    const auto backend = rehearsal.place.connect();
    quarantine(*backend, findings);
    calls = backend->calls();
  }
  Stride stride;
  for (std::uint64_t n = 1; n <= calls; ++n) {
    if (stride.skips()) continue;
    CAPTURE(n);
    Trial trial(scene);
    run_killed(trial.place, n, [&](Backend& backend) { quarantine(backend, findings); });
    Names damaged;
    for (const Damage& damage : verify(trial.place).damages) damaged.insert(damage.object);
    CHECK(damaged == spoilt);  // whatever was whole still is
    if (n % 2 == 0) trial.back_up();  // a writer goes on meanwhile
    quarantine(trial.place);
    trial.back_up();
    check_verifies(trial.place);
    trial.check_all_restore();
  }
}

TEST_CASE("whatever order writers, gc and quarantine come in, and whoever dies, nothing is lost",
          "[quarantine]") {
  DamagedScene scene;
  scene.spoil_files();
  const std::vector<Finding> findings = findings_of(scene.place);
  Stride stride;
  for (unsigned seed = 1; seed <= 40; ++seed) {
    if (stride.skips()) continue;
    CAPTURE(seed);
    Trial trial(scene);
    Client laptop;
    BackupOptions other = Client::options(scene.source.path());
    other.host = "laptop";
    std::vector<Actor> actors(4);
    actors[0].act = [&](Backend& backend) {
      trial.client.back_up(backend, Client::options(scene.source.path()));
    };
    actors[1].act = [&](Backend& backend) { laptop.back_up(backend, other); };
    actors[2].act = [&](Backend& backend) { quarantine(backend, findings); };
    actors[3].act = [&](Backend& backend) {
      seed % 2 ? static_cast<void>(collect(backend, at_once()))
               : static_cast<void>(quarantine(backend, findings));
    };
    run_together(actors, trial.place, seed);
    for (const Actor& actor : actors) CHECK(actor.error == "");
    for (const Head& head : heads_of(trial.place))
      trial.expected.emplace(head.revision(), facts_of(scene.source.path()));
    quarantine(trial.place);
    trial.back_up();
    check_verifies(trial.place);
    trial.check_all_restore();
  }
}

// --- what is taken out, and what is not

TEST_CASE("damage that no revision needs waits in the trash, and nobody takes it for present",
          "[quarantine]") {
  DamagedScene scene;
  const std::string content = "nobody's";
  write_file(object_path_in(scene.place, content), "somebody", 0444);
  CHECK(quarantine(scene.place).report.quarantined == 1);
  CHECK(files_below(scene.place, "trash").size() == 1);
  CHECK(files_below(scene.place, "bad").empty());
  check_verifies(scene.place);
  scene.source.write("new", content);
  scene.client.back_up(scene.place, scene.source.path());
  check_verifies(scene.place);
  collect(scene.place, at_once());
  CHECK(files_below(scene.place, "trash").empty());
}

TEST_CASE("what the medium does not deliver is taken out", "[quarantine]") {
  DamagedScene scene;
  const std::string object = object_of("shared 1");
  const auto backend = scene.place.connect();
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call == "read" && base_name(path) == base_name(object))
      fail(ErrorKind::io, "read: Input/output error");
  });
  CHECK(quarantine(*backend, verify(*backend).report.findings).report.quarantined == 1);
  CHECK(names_in(scene.place, "bad") == Names{base_name(object)});
}

TEST_CASE("what is whole but open to writers is left where it is", "[quarantine]") {
  DamagedScene scene;
  REQUIRE(::chmod(object_path_in(scene.place, "shared 1").c_str(), 0644) == 0);
  CHECK(quarantine(scene.place).actions.empty());
  CHECK(has_object(scene.place, "shared 1"));
}

TEST_CASE("much damage at once is refused by a guard, and nothing has moved", "[quarantine]") {
  DamagedScene scene;
  scene.spoil_files();
  const auto before = scene.place.files();
  const std::vector<Finding> findings = findings_of(scene.place);
  const auto backend = scene.place.connect();
  const Repository repository = Repository::open(*backend, true);
  const auto run = [&](const QuarantineOptions& options) {
    return run_quarantine(repository, findings, options, [](const Repair&) {}, {});
  };
  CHECK_THROWS_WITH(run({scene.place.objects(), {}, false}),
                    Catch::Matchers::Contains("--allow mass-damage"));
  CHECK(scene.place.files() == before);
  CHECK(run({scene.place.objects(), {"mass-damage"}, true}).quarantined == 6);
  CHECK(scene.place.files() == before);
  CHECK(run({600, {}, false}).quarantined == 6);  // one in a hundred
}

}  // namespace
}  // namespace reverse
