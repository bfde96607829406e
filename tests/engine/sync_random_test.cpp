#include <catch2/catch.hpp>
#include <filesystem>
#include <random>
#include <set>

#include "tests/engine/gc_scene.h"
#include "tests/engine/sync_scene.h"
#include "tests/engine/test_clock.h"

// Sync as a union: whatever is done in whatever order, and whatever else is at work on either side.

namespace reverse {
namespace {

namespace fs = std::filesystem;
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

  void mark(std::size_t here, void (*change)(const Place&, const std::string&)) {
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

/// Runs `act` before call `n`.
FaultBackend::Hook at_call(std::uint64_t n, std::function<void()> act) {
  return [n, act = std::move(act)](std::string_view, const RepoPath&, std::uint64_t number) {
    if (number == n) act();
  };
}

/// A repository of three revisions, and another one that has the first of them.
struct Begun : Versions {
  Begun() {
    for (int version = 0; version < 3; ++version) names.push_back(back_up(version));
    SyncOptions first;
    first.selection.revisions = {names[0]};
    sync(place, other, machine, first);
  }
  /// Copies of both, to try something on.
  struct Try {
    explicit Try(const Begun& begun) {
      fs::copy(begun.place.path(), from.path(), fs::copy_options::recursive);
      fs::copy(begun.other.path(), to.path(), fs::copy_options::recursive);
      fs::copy(begun.machine.cache(), machine.cache(), fs::copy_options::recursive);
    }
    Place from, to;
    Client machine;
  };
  /// Calls to the source and to the target by a sync that nobody disturbs.
  std::pair<std::uint64_t, std::uint64_t> calls() const {
    const Try undisturbed(*this);
    const auto from = undisturbed.from.connect();
    const auto to = undisturbed.to.connect();
    sync(*from, *to, undisturbed.machine);
    return {from->calls(), to->calls()};
  }

  Lines names;
  Place other;
  Client machine;
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

TEST_CASE("whatever gc collects in the source at any call of a sync, what is copied is whole",
          "[sync]") {
  const Begun begun;
  for (std::uint64_t n = 1; n <= begun.calls().first; n += 1 + n / 20) {
    CAPTURE(n);
    Begun::Try trial(begun);
    const auto from = trial.from.connect();
    from->set_hook(at_call(n, [&] {
      forget(trial.from, begun.names[1]);
      collect(trial.from, at_once());
    }));
    const SyncReport report = sync(*from, *trial.to.connect(), trial.machine).report;
    CHECK(report.damaged == 0);
    Lines names = revisions_of(trial.to);
    if (names.size() < 3) names.insert(names.begin() + 1, begun.names[1]);
    CHECK(names == begun.names);
    CHECK(defects(trial.to) == Lines{});
  }
}

TEST_CASE("whatever gc collects in the target at any call of a sync, all is copied and whole",
          "[sync]") {
  const Begun begun;
  for (std::uint64_t n = 1; n <= begun.calls().second; n += 1 + n / 20) {
    CAPTURE(n);
    Begun::Try trial(begun);
    const auto to = trial.to.connect();
    to->set_hook(at_call(n, [&] { collect(trial.to, at_once()); }));
    sync(*trial.from.connect(), *to, trial.machine);
    CHECK(revisions_of(trial.to) == begun.names);
    CHECK(defects(trial.to) == Lines{});
  }
}

TEST_CASE("killed at any call to the source, a sync leaves both sides sound, and the next one ends it",
          "[sync]") {
  const Begun begun;
  const auto before = begun.place.files();
  for (std::uint64_t n = 1; n <= begun.calls().first; n += 1 + n / 20) {
    CAPTURE(n);
    Begun::Try trial(begun);
    {
      const auto from = trial.from.connect();
      from->crash_at(n);
      try {
        sync(*from, *trial.to.connect(), trial.machine);
      } catch (const Crash&) {
      }
    }
    CHECK(defects(trial.to) == Lines{});
    CHECK(trial.from.files() == before);
    sync(trial.from, trial.to, trial.machine);
    CHECK(revisions_of(trial.to) == begun.names);
    CHECK(defects(trial.to) == Lines{});
  }
}

TEST_CASE("a process that is killed at any call to the target leaves nothing in the way of the next one",
          "[sync]") {
  const Begun begun;
  for (std::uint64_t n = 1; n <= begun.calls().second; n += 1 + n / 20) {
    CAPTURE(n);
    Begun::Try trial(begun);
    for (int kills = 0; kills < 2; ++kills) {
      run_killed(trial.to, n, [&](Backend& to) { sync(*trial.from.connect(), to, trial.machine); });
      CHECK(defects(trial.to) == Lines{});
    }
    sync(trial.from, trial.to, trial.machine);
    CHECK(revisions_of(trial.to) == begun.names);
    CHECK(defects(trial.to) == Lines{});
  }
}

}  // namespace reverse
