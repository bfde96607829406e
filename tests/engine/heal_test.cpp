#include "libcore/engine/heal.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "libcore/base/fd.h"
#include "libcore/hash/hasher.h"
#include "tests/backend/ssh_fixture.h"
#include "tests/engine/repair_scene.h"
#include "tests/support/fixtures.h"
#include "tests/support/stride.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Action = Repair::Action;
using Names = std::set<std::string>;

/// Everything that the three versions of the scene's source ever held, under names of its own.
void write_old_copy(TempTree& copy) {
  for (int i = 0; i < 12; ++i)
    copy.write("disk/" + std::to_string(i), "shared " + std::to_string(i));
  copy.write("disk/version 2 file 1", "version 2 file 1");
  copy.write("disk/large.bak", std::string(70'000, 'c'));
  copy.write("disk/large but another", std::string(70'000, 'x'));
  copy.write("other", "of a size that nobody looks for");
}

std::string object_path_in(const Place& place, const std::string& content) {
  return place.path() + "/" + object_of(content);
}

TEST_CASE("files of any directory heal what has their content, and only candidates are read",
          "[heal]") {
  DamagedScene scene;
  const Names spoilt = scene.spoil_files();
  TempTree copy;
  write_old_copy(copy);
  const Healed healed = heal_from_directory(scene.place, copy.path());
  CHECK(healed.report.healed == spoilt.size());
  CHECK(healed.report.left.empty());
  CHECK(healed.count(Action::healed) == spoilt.size());
  CHECK(healed.places.at(base_name(object_of("shared 5"))) == "'" + copy.path() + "/disk/5'");
  CHECK(healed.observer->progress.bytes < 300'000);
  check_verifies(scene.place);
  scene.check_all_restore();
}

TEST_CASE("the live tree heals a repository, and what it has no more stays lost", "[heal]") {
  DamagedScene scene;
  const Names spoilt = scene.spoil_files();
  flip_bit(object_path_in(scene.place, "version 0 file 2"), 1);
  const Healed healed = heal_from_directory(scene.place, scene.source.path());
  CHECK(healed.report.healed == spoilt.size());
  REQUIRE(healed.report.left.size() == 1);
  const std::string lost = base_name(object_of("version 0 file 2"));
  CHECK(to_string(healed.report.left[0].name(DigestKind::md5)) == lost);
  CHECK(healed.actions.at(lost) == Action::lost);
  CHECK(verify(scene.place).kinds() == Names{"digest " + lost});
}

TEST_CASE("another repository heals files and pages, and what lies below lost pages", "[heal]") {
  DamagedScene scene;
  for (int i = 0; i < 300; ++i)
    scene.source.write("many/d" + std::to_string(i % 7) + "/f" + std::to_string(i),
                       "content " + std::to_string(i));
  scene.back_up(3);
  Trial copy(scene);
  SECTION("spoilt here and there") {
    scene.spoil_files();
    for (const Head& head : heads_of(scene.place))
      flip_bit(scene.place.path() + "/" + object_path({head.tree.page, std::nullopt}), 777);
  }
  SECTION("a third of all objects is gone") {
    const std::vector<std::string> objects = objects_of(scene.place);
    for (std::size_t i = 0; i < objects.size(); i += 3) fs::remove(objects[i]);
  }
  const auto here = scene.place.connect();
  const auto there = copy.place.connect();
  const Healed healed = heal_from_repository(*here, *there);
  CHECK(healed.report.healed > 5);
  CHECK(healed.report.left.empty());
  check_verifies(scene.place);
  scene.check_all_restore();
}

TEST_CASE("a repository with the other digest heals files", "[heal]") {
  DamagedScene scene;
  Place other;
  const bool heals_sha256 = GENERATE(false, true);
  Repository::create(*other.connect(), DigestKind::sha256);
  Client().back_up(other, scene.source.path());
  if (heals_sha256) {
    std::string damaged;
    for (const std::string& object : objects_of(other, true))
      if (fs::file_size(object) == 70'000) damaged = object;
    flip_bit(damaged, 70'000);
    const auto backend = other.connect();
    const auto source = scene.place.connect();
    CHECK(heal_from_repository(*backend, *source).report.healed == 1);
    check_verifies(other);
  } else {
    const Names spoilt = scene.spoil_files();
    const auto backend = scene.place.connect();
    const auto source = other.connect();
    CHECK(heal_from_repository(*backend, *source).report.healed == spoilt.size());
    check_verifies(scene.place);
    scene.check_all_restore();
  }
}

TEST_CASE("several sources are asked in order, each for what is still missing", "[heal]") {
  DamagedScene scene;
  scene.spoil_files();
  TempTree one, two;
  one.write("1", "shared 1");
  write_old_copy(two);
  const auto backend = scene.place.connect();
  std::vector<std::unique_ptr<HealSource>> sources;
  sources.push_back(directory_source(one.path()));
  sources.push_back(directory_source(two.path()));
  const Healed healed = heal(*backend, verify(*backend).report.findings, sources);
  CHECK(healed.report.left.empty());
  CHECK(healed.places.at(base_name(object_of("shared 1"))) == "'" + one.path() + "/1'");
  check_verifies(scene.place);
}

TEST_CASE("a healed object is a file of its own: the view that spoilt it keeps what it has",
          "[heal]") {
  DamagedScene scene;
  const std::string object = object_path_in(scene.place, "shared 1");
  const std::string view = scene.place.path() + "-view";
  fs::create_hard_link(object, view);
  REQUIRE(::chmod(view.c_str(), 0644) == 0);
  SECTION("written to") {
    std::ofstream(view, std::ios::app) << " and more";
    CHECK(verify(scene.place).kinds() == Names{"size " + base_name(object)});
  }
  SECTION("only made writable: it heals from itself") {
    CHECK(verify(scene.place).kinds() == Names{"mode " + base_name(object)});
    fs::remove(scene.source.path() + "/shared/f1");
  }
  CHECK(heal_from_directory(scene.place, scene.source.path()).report.left.empty());
  check_verifies(scene.place);
  CHECK(fs::hard_link_count(object) == 1);
  CHECK((fs::status(object).permissions() & fs::perms(0777)) == fs::perms(0444));
  CHECK(fs::exists(view));
}

TEST_CASE("where another content with the same MD5 lies, the lost one gets a name with its check",
          "[heal]") {
  const std::string a = read_file(fixture("md5-collision/a.bin"));
  const std::string b = read_file(fixture("md5-collision/b.bin"));
  DamagedScene scene;
  scene.source.write("pair", a);
  scene.back_up(3);
  const std::string object = object_path_in(scene.place, a);
  replace_file(object, b);
  REQUIRE(::chmod(object.c_str(), 0444) == 0);
  const Healed healed = heal_from_directory(scene.place, scene.source.path());
  CHECK(healed.report.healed == 1);
  CHECK(read_file(object) == b);
  CHECK(read_file(object + "-" + check_of(a).hex()) == a);
  check_verifies(scene.place);
  scene.check_all_restore();
}

TEST_CASE("what the medium does not deliver is replaced without being asked what it is", "[heal]") {
  DamagedScene scene;
  const auto backend = scene.place.connect();
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call == "read" && path == object_of("shared 1")) fail(ErrorKind::io, "read: I/O error");
  });
  const std::vector<Finding> findings = verify(*backend).report.findings;
  REQUIRE(findings.size() == 1);
  std::vector<std::unique_ptr<HealSource>> sources;
  sources.push_back(directory_source(scene.source.path()));
  CHECK(heal(*backend, findings, sources).report.healed == 1);
  check_verifies(scene.place);
}

TEST_CASE("a source that is damaged too heals nothing, and says so", "[heal]") {
  DamagedScene scene;
  Trial copy(scene);
  flip_bit(object_path_in(scene.place, "shared 1"), 1);
  flip_bit(object_path_in(copy.place, "shared 1"), 2);
  const auto here = scene.place.connect();
  const auto there = copy.place.connect();
  const auto before = scene.place.files();
  const Healed healed = heal_from_repository(*here, *there);
  CHECK(healed.report.healed == 0);
  REQUIRE(healed.observer->warnings.size() == 1);
  CHECK_THAT(healed.observer->warnings[0], Catch::Matchers::Contains("is damaged"));
  CHECK(scene.place.files() == before);
}

TEST_CASE("a dry run finds what would heal, and changes nothing", "[heal]") {
  DamagedScene scene;
  const Names spoilt = scene.spoil_files();
  const auto before = scene.place.files();
  const auto backend = scene.place.connect();
  std::vector<std::unique_ptr<HealSource>> sources;
  sources.push_back(directory_source(scene.source.path()));
  CHECK(heal(*backend, verify(*backend).report.findings, sources, true).report.healed ==
        spoilt.size());
  CHECK(scene.place.files() == before);
}

TEST_CASE("what others have healed meanwhile is left as it is", "[heal]") {
  DamagedScene scene;
  scene.spoil_files();
  const auto backend = scene.place.connect();
  const std::vector<Finding> findings = verify(*backend).report.findings;
  heal_from_directory(scene.place, scene.source.path());
  const auto before = scene.place.files();
  std::vector<std::unique_ptr<HealSource>> sources;
  sources.push_back(directory_source(scene.source.path()));
  heal(*backend, findings, sources);
  CHECK(backend->calls("replace") == 0);
  CHECK(scene.place.files() == before);
}

TEST_CASE("killed at any call, heal leaves nothing worse, and the next one ends it", "[heal]") {
  DamagedScene scene;
  scene.spoil_files();
  const std::vector<Finding> findings = verify(scene.place).report.findings;
  const auto heal_all = [&](Backend& backend) {
    std::vector<std::unique_ptr<HealSource>> sources;
    sources.push_back(directory_source(scene.source.path()));
    heal(backend, findings, sources);
  };
  std::uint64_t calls = 0;
  {
    Trial rehearsal(scene);
    const auto backend = rehearsal.place.connect();
    heal_all(*backend);
    calls = backend->calls();
  }
  Stride stride;
  for (std::uint64_t n = 1; n <= calls; ++n) {
    if (stride.skips()) continue;
    CAPTURE(n);
    Trial trial(scene);
    run_killed(trial.place, n, heal_all);
    for (const Finding& finding : verify(trial.place).report.findings)
      CHECK(std::any_of(findings.begin(), findings.end(), [&](const Finding& before) {
        return before.content == finding.content;
      }));
    heal_from_directory(trial.place, scene.source.path());
    check_verifies(trial.place);
    trial.check_all_restore();
  }
}

TEST_CASE("an error of the repository ends heal, and is none of a candidate", "[heal]") {
  DamagedScene scene;
  scene.spoil_files();
  const auto backend = scene.place.connect();
  const std::vector<Finding> findings = verify(*backend).report.findings;
  backend->queue_fault("write", ErrorKind::no_space);
  std::vector<std::unique_ptr<HealSource>> sources;
  sources.push_back(directory_source(scene.source.path()));
  CHECK_THROWS_AS(heal(*backend, findings, sources), Error);
  scene.place.connect();
  CHECK(heal_from_directory(scene.place, scene.source.path()).report.left.empty());
  check_verifies(scene.place);
}

TEST_CASE("a repository on a server is taken care of, and heals another", "[heal][servers]") {
  NEEDS_SERVER(SshServer);
  const SshServer server;
  TempTree source;
  for (int i = 0; i < 20; ++i) source.write("f" + std::to_string(i), "file " + std::to_string(i));
  Client client;
  client.back_up(*ssh::backend_in(server, "repo"), Client::options(source.path()));
  Place copy;
  client.back_up(copy, source.path());
  const auto backend = ssh::backend_in(server, "repo");
  const auto take_away = [&](Backend& where, int i) {
    const RepoPath object = object_of("file " + std::to_string(i));
    REQUIRE(where.remove(object));
  };
  const auto spoil = [&](int i) {
    take_away(*backend, i);
    auto upload = backend->create("tmp/spoilt", 0444);
    upload->write("file!");
    upload->close();
    const Publication publication{upload.get(), object_of("file " + std::to_string(i))};
    REQUIRE(backend->publish({&publication, 1}).front() == MoveResult::done);
  };
  for (int i : {1, 2, 3}) spoil(i);
  take_away(*backend, 4);
  const auto other = copy.connect();
  SECTION("healed from a local repository") {
    CHECK(heal_from_repository(*backend, *other).report.healed == 4);
  }
  SECTION("taken out, and stored again by the next backup") {
    CHECK(quarantine(*backend, verify(*backend).report.findings).report.quarantined == 3);
    client.back_up(*ssh::backend_in(server, "repo"), Client::options(source.path()));
  }
  CHECK(verify(*ssh::backend_in(server, "repo")).damages.empty());
  for (int i : {5, 6}) take_away(*other, i);
  CHECK(heal_from_repository(*other, *ssh::backend_in(server, "repo")).report.healed == 2);
  CHECK(verify(*other).damages.empty());
}

}  // namespace
}  // namespace reverse
