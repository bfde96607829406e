#include "tests/engine/repair_scene.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"

namespace reverse {

namespace fs = std::filesystem;

TellRepair Told::tell() {
  return [this](const Repair& repair) {
    actions[repair.object] = repair.action;
    places[repair.object] = repair.place;
  };
}

std::size_t Told::count(Repair::Action action) const {
  return static_cast<std::size_t>(std::count_if(
      actions.begin(), actions.end(), [&](const auto& told) { return told.second == action; }));
}

Quarantined quarantine(Backend& backend, const std::vector<Finding>& findings) {
  Quarantined done;
  done.report = run_quarantine(Repository::open(backend, true), findings,
                               {100, {"mass-damage"}, false}, done.tell(), {});
  return done;
}

Quarantined quarantine(const Place& place) {
  const auto backend = place.connect();
  return quarantine(*backend, verify(*backend).report.findings);
}

Healed heal(Backend& backend, const std::vector<Finding>& findings,
            const std::vector<std::unique_ptr<HealSource>>& sources, bool dry_run) {
  Healed healed;
  healed.observer = std::make_unique<RecordingObserver>();
  const Repository repository = Repository::open(backend, true);
  healed.report =
      run_heal({repository, *healed.observer, healed.tell(), {}, dry_run}, findings, sources);
  return healed;
}

Healed heal_from_directory(const Place& place, const std::string& directory) {
  const auto backend = place.connect();
  std::vector<std::unique_ptr<HealSource>> sources;
  sources.push_back(directory_source(directory));
  return heal(*backend, verify(*backend).report.findings, sources);
}

Healed heal_from_repository(Backend& backend, Backend& other) {
  const Repository from = Repository::open(other, false);
  std::vector<std::unique_ptr<HealSource>> sources;
  sources.push_back(repository_source(from, Repository::open(backend, true).info().digest));
  const Verified found = verify(backend, {}, "", ProveWhere::client,
                                [&](const Sums& sums) { return sources.front()->page(sums); });
  return heal(backend, found.report.findings, sources);
}

DamagedScene::DamagedScene() {
  for (int version : {0, 1, 2}) back_up(version);
}

std::set<std::string> DamagedScene::spoil_files() const {
  return reverse::spoil_files(place);
}

std::set<std::string> spoil_files(const Place& place) {
  const auto path = [&](const std::string& content) {
    return place.path() + "/" + object_of(content);
  };
  const auto put = [&](const std::string& content, const std::string& other) {
    replace_file(path(content), other);
    REQUIRE(::chmod(path(content).c_str(), 0444) == 0);
  };
  flip_bit(path("shared 1"), 11);
  put("shared 2", "share");
  put("shared 3", "");
  put("shared 4", "shared 4 and more");
  put("version 2 file 1", "version 2 file 2");
  REQUIRE(fs::remove(path("shared 5")));
  flip_bit(path(std::string(70'000, 'c')), 99'999);
  std::set<std::string> names;
  for (const std::string content :
       {"shared 1", "shared 2", "shared 3", "shared 4", "version 2 file 1", "shared 5"})
    names.insert(base_name(object_of(content)));
  names.insert(base_name(object_of(std::string(70'000, 'c'))));
  return names;
}

void check_verifies(const Place& place) {
  const Verified verified = verify(place);
  CHECK(verified.kinds() == std::set<std::string>{});
  CHECK_FALSE(verified.report.is_damaged());
}

}  // namespace reverse
