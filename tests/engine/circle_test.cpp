#include <catch2/catch.hpp>
#include <deque>

#include "tests/engine/gc_scene.h"
#include "tests/engine/medium.h"
#include "tests/engine/sync_scene.h"
#include "tests/engine/test_clock.h"
#include "tests/support/stride.h"

// Machines that back up to each other in a circle, day by day (schema/FORMAT.md, "Nested
// repositories"): every history comes to everybody, and what does not change makes nothing grow.

namespace reverse {
namespace {

using Lines = std::vector<std::string>;
using Files = std::map<RepoPath, std::uint64_t>;  // sizes by path

constexpr int kSettled = 3;  // days after which nothing is new to anybody
constexpr int kDays = 50;

/// How many days are lived through: with a stride fewer of those on which nothing may grow.
int days() {
  return kSettled + (kDays - kSettled) / static_cast<int>(Stride::every());
}

void write_home(TempTree& tree, const std::string& machine) {
  for (int i = 0; i < 3; ++i) tree.write(fmt::format("f{}", i), fmt::format("{} {}", machine, i));
  tree.write("same", "on every machine");
}

BackupOptions options_of(const TempTree& tree, const std::string& machine) {
  BackupOptions options = Client::options(tree.path());
  options.host = machine;
  options.label = "home";
  return options;
}

/// Each machine has a home, and a repository that it backs that up to.
class Circle {
 public:
  explicit Circle(int count) {
    for (int i = 0; i < count; ++i) {
      Machine& machine = machines_.emplace_back();
      machine.number = i;
      machine.name = fmt::format("host{}", i);
      write_home(machine.home, machine.name);
      Repository::create(*machine.repository.connect(), DigestKind::md5);
    }
    advance_clock(10);
  }

  /// `reverse /home /backup; reverse /backup NEXT:/backup`, on one machine after the other.
  void day(bool skip_if_unchanged) {
    for (Machine& machine : machines_) {
      BackupOptions options = options_of(machine.home, machine.name);
      options.skip_if_unchanged = skip_if_unchanged;
      machine.client.back_up(*machine.repository.connect(), options);
      pass_on(machine);
    }
    advance_clock(3600);
  }
  /// Without backing up anything.
  void pass_on_all() {
    for (Machine& machine : machines_) pass_on(machine);
  }

  /// What each machine's repository holds.
  std::vector<Files> files() const {
    std::vector<Files> files;
    for (const Machine& machine : machines_) files.push_back(files_of(*machine.repository.connect()));
    return files;
  }
  void check_all_have(std::size_t revisions) const {
    for (const Machine& machine : machines_) {
      CAPTURE(machine.name);
      CHECK(machine.repository.revisions() == machines_.front().repository.revisions());
      CHECK(machine.repository.revisions().size() == revisions);
      CHECK(defects(machine.repository) == Lines{});
    }
  }

 private:
  struct Machine {
    int number = 0;
    std::string name;
    TempTree home;
    Medium repository;
    Client client;
  };

  void pass_on(const Machine& machine) const {
    const Machine& next = machines_[(machine.number + 1) % machines_.size()];
    sync(*machine.repository.connect(), *next.repository.connect(), machine.client);
  }

  std::deque<Machine> machines_;
};

/// Takes the heads out of `files`, and returns how many there were.
std::size_t take_heads(Files& files) {
  return std::erase_if(files, [](const auto& file) { return file.first.starts_with("manifests/"); });
}

/// A machine that backs up its whole disk, with the repository on it.
struct Disk {
  explicit Disk(std::string machine) : name(std::move(machine)) {
    write_home(tree, name);
    Repository::create(*repository(), DigestKind::md5);
  }
  std::unique_ptr<Backend> repository() const {
    return open_local_backend(tree / "repository", Durability::none);
  }
  void back_up(Backend& to) {
    BackupOptions options = options_of(tree, name);
    options.skip_if_unchanged = true;
    client.back_up(to, options);
  }

  std::string name;
  TempTree tree;
  Client client;
};

}  // namespace

TEST_CASE("a circle of machines stops growing after the third day, and everybody has every history",
          "[circle]") {
  const int count = GENERATE(2, 3, 4);
  Circle circle(count);
  for (int day = 0; day < kSettled; ++day) circle.day(true);
  const std::vector<Files> settled = circle.files();
  for (int day = kSettled; day < days(); ++day) circle.day(true);
  CHECK(circle.files() == settled);
  circle.check_all_have(count);
}

TEST_CASE("a circle that publishes each day grows by a head a run and nothing else", "[circle]") {
  const int count = GENERATE(2, 3, 4);
  Circle circle(count);
  for (int day = 0; day < kSettled; ++day) circle.day(false);
  std::vector<Files> before = circle.files();
  for (int day = kSettled; day < days(); ++day) {
    CAPTURE(day);
    circle.day(false);
    std::vector<Files> after = circle.files();
    for (int machine = 0; machine < count; ++machine) {
      Files grown = after[machine];
      CHECK(take_heads(grown) == take_heads(before[machine]) + count);
      CHECK(grown == before[machine]);
    }
    before = std::move(after);
  }
  circle.pass_on_all();
  circle.check_all_have(static_cast<std::size_t>(days() * count));
}

TEST_CASE("machines that back up whole disks, repositories and all, in a circle stop growing too",
          "[circle]") {
  Disk disks[] = {Disk("host0"), Disk("host1"), Disk("host2")};
  auto day = [&] {
    for (std::size_t i = 0; i < std::size(disks); ++i) {
      disks[i].back_up(*disks[i].repository());
      disks[i].back_up(*disks[(i + 1) % std::size(disks)].repository());
    }
    advance_clock(3600);
  };
  auto held = [&] {
    std::vector<Files> files;
    for (const Disk& disk : disks) files.push_back(files_of(*disk.repository()));
    return files;
  };
  for (int i = 0; i < kSettled; ++i) day();
  const std::vector<Files> settled = held();
  for (int i = 0; i < 5; ++i) day();
  CHECK(held() == settled);
  for (const Disk& disk : disks) {
    const auto backend = disk.repository();
    CHECK(Repository::open(*backend, false).all_revisions() ==
          Repository::open(*disks[0].repository(), false).all_revisions());
    CHECK(defects(*backend) == Lines{});
  }
}

}  // namespace reverse
