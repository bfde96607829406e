#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libcore/engine/heal.h"
#include "libcore/engine/quarantine.h"
#include "tests/engine/verify_scene.h"

namespace reverse {

/// What was told of a repair: the last action for each object, and where it came from or went to.
struct Told {
  std::map<std::string, Repair::Action> actions;
  std::map<std::string, std::string> places;

  TellRepair tell();
  /// How many objects have it as their last.
  std::size_t count(Repair::Action action) const;
};

struct Quarantined : Told {
  QuarantineReport report;
};
/// The guard waived.
Quarantined quarantine(Backend& backend, const std::vector<Finding>& findings);
/// Of everything that a verification finds.
Quarantined quarantine(const Place& place);

struct Healed : Told {
  HealReport report;
  std::unique_ptr<RecordingObserver> observer;
};
Healed heal(Backend& backend, const std::vector<Finding>& findings,
            const std::vector<std::unique_ptr<HealSource>>& sources, bool dry_run = false);
/// From a directory, everything that a verification finds.
Healed heal_from_directory(const Place& place, const std::string& directory);
/// From another repository, likewise; pages that only it has are looked into.
Healed heal_from_repository(Backend& backend, Backend& other);

/// Three revisions, and a machine that has the files of the last and of most of the others.
struct DamagedScene : Versions {
  DamagedScene();
  /// Spoils objects of files that the source still has, in every way: flipped, cut, emptied, grown,
  /// another's, gone. Returns their names.
  std::set<std::string> spoil_files() const;
};
/// The same in `place`, which holds a copy of the scene's repository.
std::set<std::string> spoil_files(const Place& place);

/// Nothing is damaged or missing.
void check_verifies(const Place& place);

}  // namespace reverse
