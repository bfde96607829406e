#include <catch2/catch.hpp>
#include <functional>
#include <random>
#include <set>

#include "tests/engine/gc_scene.h"
#include "tests/engine/sync_scene.h"
#include "tests/engine/test_clock.h"

// Sync as a union: whatever is done in whatever order.

namespace reverse {
namespace {

using Lines = std::vector<std::string>;
using Names = std::set<std::string>;

constexpr std::size_t kMachines = 3;
constexpr int kSteps = 30;

/// A machine with a home, and the repository that it keeps.
struct Machine {
  TempTree home;
  Place place;
  Client client;
  Names removed;  // revisions that gc took here and that nobody brought back
  int version = 0;

  Names revisions() const {
    const Lines names = revisions_of(place);
    return {names.begin(), names.end()};
  }
};

/// Removes the mark, if there is one.
void take_back(const Place& place, const std::string& revision) {
  if (is_marked(place, revision)) unforget(place, revision);
}

/// Machines that do one thing or another, as a seed says.
class World {
 public:
  explicit World(unsigned seed) : random_(seed) {
    for (std::size_t i = 0; i < kMachines; ++i) {
      Repository::create(*machines_[i].place.connect(), DigestKind::md5);
      back_up(i);
    }
  }

  void step() {
    const std::size_t here = any(kMachines);
    switch (any(8)) {
      case 0:
      case 1:
        return back_up(here);
      case 2:
        return mark(here, &forget);
      case 3:
        return mark(here, &take_back);
      case 4:
        return collect_at(here, any(2) ? at_once() : GcOptions());
      default:
        return sync_between(here, any(kMachines), any_options(here));
    }
  }

  /// Everything from everywhere to everywhere, and what gc finds then.
  void settle(const SyncOptions& options) {
    for (std::size_t i = 0; i < kMachines; ++i)
      for (const std::string& name : machines_[i].revisions()) take_back(machines_[i].place, name);
    // Each from each: what a machine has forgotten does not come through it to others.
    for (std::size_t from = 0; from < kMachines; ++from)
      for (std::size_t to = 0; to < kMachines; ++to) sync_between(from, to, options);
    for (std::size_t i = 0; i < kMachines; ++i) collect_at(i, at_once());
  }

  Names all() const {
    Names all;
    for (const Machine& machine : machines_) all.merge(machine.revisions());
    return all;
  }
  const Machine& machine(std::size_t i) const { return machines_[i]; }
  const RevisionTrees& expected() const { return expected_; }

 private:
  std::size_t any(std::size_t count) { return random_() % count; }

  void back_up(std::size_t here) {
    Machine& machine = machines_[here];
    const int version = machine.version++;
    for (int i = 0; i < 6; ++i)
      machine.home.write(fmt::format("f{}", i), i < 3 ? fmt::format("shared {}", i)
                                                      : fmt::format("{} {} {}", here, version, i));
    BackupOptions options = Client::options(machine.home.path());
    options.host = fmt::format("host{}", here);
    advance_clock(10);
    const std::string name = machine.client.back_up(machine.place, options).head.revision();
    expected_[name] = facts_of(machine.home.path());
  }

  void mark(std::size_t here, const std::function<void(const Place&, const std::string&)>& change) {
    const Lines names = revisions_of(machines_[here].place);
    if (!names.empty()) change(machines_[here].place, names[any(names.size())]);
  }

  void collect_at(std::size_t here, const GcOptions& options) {
    Names gone = machines_[here].revisions();
    collect(machines_[here].place, options);
    for (const std::string& name : machines_[here].revisions()) gone.erase(name);
    machines_[here].removed.merge(gone);
  }

  void sync_between(std::size_t from, std::size_t to, const SyncOptions& options) {
    if (from == to) return;
    sync(machines_[from].place, machines_[to].place, machines_[to].client, options);
    for (const std::string& name : machines_[to].revisions()) machines_[to].removed.erase(name);
  }

  SyncOptions any_options(std::size_t here) {
    SyncOptions options;
    const Lines names = revisions_of(machines_[here].place);
    switch (any(5)) {
      case 0:
        options.selection.latest = 1 + any(2);
        break;
      case 1:
        options.selection.filter.hosts = {fmt::format("host{}", any(kMachines))};
        break;
      case 2:
        if (!names.empty()) options.selection.revisions = {names[any(names.size())]};
        break;
      case 3:
        options.selection.include_forgotten = true;
        break;
      default:
        break;
    }
    return options;
  }

  std::mt19937 random_;
  std::array<Machine, kMachines> machines_;
  RevisionTrees expected_;
};

}  // namespace

TEST_CASE("after any syncs, backups, marks and collections, syncs make all repositories equal",
          "[sync]") {
  const auto seed = GENERATE(range(1u, 9u));
  CAPTURE(seed);
  World world(seed);
  for (int step = 0; step < kSteps; ++step) world.step();

  world.settle({});
  const Names all = world.all();
  for (std::size_t i = 0; i < kMachines; ++i) {
    CAPTURE(i);
    Names wanted = all;
    for (const std::string& name : world.machine(i).removed) wanted.erase(name);
    CHECK(world.machine(i).revisions() == wanted);
    check_all_restore(world.machine(i).place, world.expected());
    check_clean(world.machine(i).place);
  }

  SyncOptions everything;
  everything.selection.include_forgotten = true;
  world.settle(everything);
  for (std::size_t i = 0; i < kMachines; ++i) {
    CAPTURE(i);
    CHECK(world.machine(i).revisions() == all);
    CHECK(files_below(world.machine(i).place, "objects") ==
          files_below(world.machine(0).place, "objects"));
    CHECK(defects(world.machine(i).place) == Lines{});
  }
}

}  // namespace reverse
