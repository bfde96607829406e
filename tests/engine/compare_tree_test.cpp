#include "libcore/engine/compare_tree.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <thread>

#include "libcore/base/fd.h"
#include "tests/engine/client.h"
#include "tests/engine/test_clock.h"
#include "tests/engine/verify_scene.h"
#include "tests/support/temp_tree.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Found = std::vector<std::pair<std::string, Difference>>;

/// A tree that was backed up.
struct Scene {
  Scene() {
    for (int i = 0; i < 100; ++i)
      source.write("many/d" + std::to_string(i % 5) + "/f" + std::to_string(i),
                   "content " + std::to_string(i));
    source.write("docs/a", "alpha");
    source.write("docs/b", "beta");
    source.write("docs-and/more", "more");
    source.write("large", std::string(3 << 20, 'l'));
    source.write("empty", "");
    source.symlink("docs/a", "link");
    source.make_dir("folder");
    source.make_fifo("fifo");
    advance_clock(10);
    head = client.back_up(place, source.path()).head;
  }

  struct Compared {
    CompareReport report;
    Found found;
    RecordingObserver observer;
  };
  /// Of `path` in the revision with `directory`.
  std::unique_ptr<Compared> compare(const std::string& directory, const std::string& path = "") {
    auto compared = std::make_unique<Compared>();
    const auto backend = place.connect();
    const Repository repository = Repository::open(*backend, false);
    compared->report = compare_tree({repository, compared->observer, {},
                                     [&](const TreeDifference& difference) {
                                       compared->found.emplace_back(difference.path,
                                                                    difference.kind);
                                     }},
                                    head, path, directory);
    return compared;
  }
  Found differences() { return compare(source.path())->found; }

  TempTree source;
  Place place;
  Client client;
  Head head;
};

TEST_CASE("a tree is what its revision says, and every file was read", "[against]") {
  Scene scene;
  const auto compared = scene.compare(scene.source.path());
  CHECK(compared->found == Found{});
  CHECK(compared->report.files == 105);
  CHECK(compared->report.bytes == scene.head.bytes);
  CHECK(compared->observer.problems.empty());
  TempDir target;
  restore(scene.place, "latest", target.path());
  CHECK(scene.compare(target.path())->found == Found{});
}

/// Changes one bit and leaves size and time alone, as a disk does; then waits until the file no
/// longer counts as one that is being written.
void rot(const std::string& path, std::uint64_t bit) {
  flip_bit(path, bit);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

TEST_CASE("a flipped bit behind the back of the file system is rot, an edit is a change",
          "[against]") {
  Scene scene;
  rot(scene.source / "docs/b", 9);
  rot(scene.source / "large", 12'345'678);
  scene.source.write("many/d3/f98", "CONTENT 98");
  scene.source.write("docs/a", "alpha and more");
  const auto compared = scene.compare(scene.source.path());
  CHECK(compared->found == Found{{"docs/a", Difference::changed},
                                 {"docs/b", Difference::rotten},
                                 {"large", Difference::rotten},
                                 {"many/d3/f98", Difference::changed}});
  CHECK(compared->report.rotten == 2);
  CHECK(compared->report.changed == 2);
}

TEST_CASE("what is missing, new or of another type is told in the order of paths", "[against]") {
  Scene scene;
  scene.source.remove("many/d2");
  scene.source.remove("docs/a");
  scene.source.remove("folder");
  scene.source.write("folder", "a file now");
  scene.source.write("docs/new", "new");
  scene.source.write("zz/last", "new");
  scene.source.remove("link");
  scene.source.symlink("docs/b", "link");
  const auto compared = scene.compare(scene.source.path());
  CHECK(compared->report.missing == 22);
  CHECK(compared->report.added == 3);
  CHECK(compared->report.retyped == 1);
  CHECK(compared->report.changed == 1);
  CHECK(std::is_sorted(compared->found.begin(), compared->found.end(),
                       [](const auto& a, const auto& b) {
                         return compare_paths(a.first, b.first) < 0;
                       }));
  CHECK(compared->found.front() == std::pair(std::string("docs/a"), Difference::missing));
  CHECK(compared->found.back() == std::pair(std::string("zz/last"), Difference::added));
}

TEST_CASE("a directory of a revision is compared by itself", "[against]") {
  Scene scene;
  rot(scene.source / "docs/b", 9);
  rot(scene.source / "docs-and/more", 9);
  CHECK(scene.compare(scene.source / "docs", "docs")->found ==
        Found{{"docs/b", Difference::rotten}});
  CHECK(scene.compare(scene.source / "folder", "folder")->found == Found{});
  CHECK_THROWS_AS(scene.compare(scene.source / "docs", "docs/a"), Error);
  CHECK_THROWS_AS(scene.compare(scene.source / "docs", "no"), Error);
  CHECK_THROWS_AS(scene.compare(scene.source / "nowhere"), Error);
}

TEST_CASE("a file that changed while it was backed up does not count as rotten", "[against]") {
  Scene scene;
  const auto backend = scene.place.connect();
  const Repository repository = Repository::open(*backend, false);
  TreeReader reader = repository.tree(scene.head);
  TreeWriter writer(DigestKind::md5);
  const PageSink store = [&](const PageRef& ref, std::string page) {
    const std::string path = scene.place.path() + "/" + object_path({ref.page, std::nullopt});
    if (!fs::exists(path)) write_file(path, page, 0444);
  };
  while (std::optional<Entry> entry = reader.next()) {
    if (entry->path == "docs/b") entry->changed = true;
    writer.add(*entry, store);
  }
  scene.head.tree = writer.finish(store);
  rot(scene.source / "docs/b", 9);
  CHECK(scene.differences() == Found{{"docs/b", Difference::changed}});
}

TEST_CASE("what cannot be read is told, and is neither missing nor damaged", "[against]") {
  if (::geteuid() == 0) {
    WARN("skipped: root reads everything");
    return;
  }
  Scene scene;
  scene.source.set_mode("docs/a", 0);
  scene.source.set_mode("many/d1", 0);
  const auto compared = scene.compare(scene.source.path());
  scene.source.set_mode("many/d1", 0755);
  CHECK(compared->found == Found{});
  CHECK(compared->report.not_compared == 2);
  CHECK(compared->observer.problems.size() == 2);
}

TEST_CASE("a stop ends a comparison", "[against]") {
  Scene scene;
  std::stop_source stop;
  stop.request_stop();
  const auto backend = scene.place.connect();
  const Repository repository = Repository::open(*backend, false);
  RecordingObserver observer;
  scene.source.write("docs/a", "other");
  CHECK_THROWS_AS(compare_tree({repository, observer, stop.get_token(),
                                [](const TreeDifference&) {}},
                               scene.head, "", scene.source.path()),
                  Cancelled);
}

}  // namespace
}  // namespace reverse
