#include <algorithm>
#include <catch2/catch.hpp>
#include <cctype>
#include <filesystem>
#include <random>

#include "libcore/engine/machine.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/inventory.h"
#include "tests/engine/gc_scene.h"
#include "tests/engine/sync_scene.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

/// The object's file, which may then be harmed.
std::string file_of(const Place& place, const std::string& content) {
  return place.path() + "/" + object_of(content);
}

/// Three versions of a source in one repository, and a place for another one.
struct Pair : Versions {
  Pair() {
    for (int version = 0; version < 3; ++version) names.push_back(back_up(version));
  }
  Synced run(const SyncOptions& options = {}) const { return sync(place, other, machine, options); }
  void check_other_is_whole() const {
    CHECK(revisions_of(other) == revisions_of(place));
    CHECK(defects(other) == Lines{});
    reverse::check_all_restore(other, expected);
  }

  Lines names;
  Place other;
  Client machine;
};

SyncOptions only(const Lines& revisions) {
  SyncOptions options;
  options.selection.revisions = revisions;
  return options;
}

}  // namespace

// --- what is copied

TEST_CASE("every revision is copied with all it needs, and restores as before", "[sync]") {
  const Pair f;
  const Synced synced = f.run();
  CHECK(synced.report.copied == 3);
  CHECK(synced.report.objects == f.place.objects());
  CHECK(f.other.objects() == f.place.objects());
  f.check_other_is_whole();
}

TEST_CASE("again, nothing is sent and nothing is written", "[sync]") {
  const Pair f;
  f.run();
  const auto before = f.other.files();
  const auto from = f.place.connect();
  const auto to = f.other.connect();
  const Synced again = sync(*from, *to, f.machine);
  CHECK(again.report == SyncReport{.present = 3});
  CHECK(f.other.files() == before);
  CHECK(to->calls("create") + to->calls("publish") + to->calls("barrier") == 0);
  CHECK(from->calls("read") == 1);  // repository.yaml: of what is there, not even a head
}

TEST_CASE("of a new revision only what the target lacks is read and sent", "[sync]") {
  Pair f;
  f.run();
  f.back_up(3);
  const auto from = f.place.connect();
  const Synced synced = sync(*from, *f.other.connect(), f.machine);
  CHECK(synced.report.copied == 1);
  CHECK(synced.report.present == 3);
  CHECK(from->calls("read") < f.place.objects());
  CHECK(synced.report.objects == f.place.objects() - (f.other.objects() - synced.report.objects));
  f.check_other_is_whole();
}

TEST_CASE("a near target that holds little is not asked for each content", "[sync]") {
  constexpr std::size_t kFiles = 2000;
  Place from, to;
  Client machine;
  TempTree source;
  for (std::size_t i = 0; i < kFiles; ++i) source.write(std::to_string(i), std::to_string(i) + " of many");
  machine.back_up(from, source.path());
  const auto backend = to.connect();
  CHECK(sync(*from.connect(), *backend, machine).report.objects > kFiles);
  CHECK(backend->calls("stat") < kFiles);  // and not twice as many
  CHECK(defects(to) == Lines{});
}

TEST_CASE("named revisions are copied, and no others", "[sync]") {
  const Pair f;
  CHECK(f.run(only({f.names[1]})).report.copied == 1);
  CHECK(revisions_of(f.other) == Lines{f.names[1]});
  CHECK(defects(f.other) == Lines{});
}

TEST_CASE("the newest, or those since a time, are copied", "[sync]") {
  const Pair f;
  SyncOptions options;
  SECTION("latest") {
    options.selection.latest = 2;
  }
  SECTION("since") {
    options.selection.since = parse_rfc3339(heads_of(f.place)[1].started);
  }
  CHECK(f.run(options).report.copied == 2);
  CHECK(revisions_of(f.other) == Lines{f.names[1], f.names[2]});
}

TEST_CASE("checkpoints stay where they are", "[sync]") {
  Pair f;
  const auto backend = f.place.connect();
  const Repository repository = Repository::open(*backend, true);
  Head head = repository.read_head(f.names[2]);
  fs::remove(f.place.path() + "/" + layout::head(f.names[2]));
  head.outcome = Outcome::checkpoint;
  head.token = *find_gate(*backend);
  REQUIRE(publish_head(*backend, *open_head(*backend, head.token), head) ==
          PublishResult::published);
  SyncOptions options;
  options.selection.latest =
      GENERATE(std::optional<std::uint64_t>(), std::optional<std::uint64_t>(1));
  f.run(options);
  const Lines copied = revisions_of(f.other);
  CHECK(std::find(copied.begin(), copied.end(), f.names[2]) == copied.end());
  CHECK(copied.back() == f.names[1]);
}

TEST_CASE("a dry run of sync tells what the run then does, and changes nothing", "[sync]") {
  const Pair f;
  f.run(only({f.names[0]}));
  const auto before = f.other.files();
  SyncOptions dry;
  dry.dry_run = true;
  const SyncReport planned = f.run(dry).report;
  CHECK(f.other.files() == before);
  CHECK(planned == f.run().report);
  CHECK(planned.copied == 2);
}

// --- any topology, any order

TEST_CASE("whatever is synced in whatever order, all end with the same revisions", "[sync]") {
  const auto seed = GENERATE(1u, 2u, 3u, 4u);
  std::mt19937 random(seed);
  Pair places[3];
  std::set<std::string> all;
  RevisionTrees expected;
  for (int i = 0; i < 3; ++i) {
    Pair& f = places[i];
    f.source.write("machine", "machine " + std::to_string(i));
    BackupOptions options = Client::options(f.source.path());
    options.host = "host" + std::to_string(i);
    const std::string name = f.client.back_up(f.place, options).head.revision();
    f.expected[name] = facts_of(f.source.path());
    for (const std::string& revision : revisions_of(f.place)) all.insert(revision);
    expected.insert(f.expected.begin(), f.expected.end());
  }
  auto between = [&](int from, int to, const SyncOptions& options = {}) {
    sync(places[from].place, places[to].place, places[to].client, options);
  };
  for (int step = 0; step < 6; ++step) {  // parts of it, anywhere
    SyncOptions options;
    if (random() % 2) options.selection.latest = 1 + random() % 2;
    between(static_cast<int>(random() % 3), static_cast<int>(random() % 3), options);
  }
  for (const auto& [from, to] : {std::pair{0, 1}, {1, 2}, {2, 0}, {0, 1}}) between(from, to);
  const Lines every(all.begin(), all.end());
  for (const Pair& f : places) {
    CHECK(revisions_of(f.place) == every);
    CHECK(defects(f.place) == Lines{});
    check_all_restore(f.place, expected);
    CHECK(f.place.objects() == places[0].place.objects());
  }
}

// --- forgetting

TEST_CASE("what the target has forgotten stays so, unless asked for", "[sync]") {
  const Pair f;
  f.run();
  forget(f.other, f.names[0]);
  collect(f.other, at_once());
  CHECK(f.run().report == SyncReport{.present = 2, .forgotten = 1});
  CHECK(revisions_of(f.other) == Lines{f.names[1], f.names[2]});
  SyncOptions options;
  options.selection.include_forgotten = true;
  CHECK(f.run(options).report.copied == 1);
  f.check_other_is_whole();
  CHECK(f.run().report.present == 3);
}

TEST_CASE("what is marked in the source is not copied, unless asked for by name", "[sync]") {
  const Pair f;
  forget(f.place, f.names[0]);
  CHECK(f.run().report.forgotten == 1);
  CHECK(revisions_of(f.other) == Lines{f.names[1], f.names[2]});
  CHECK(f.run(only({f.names[0]})).report.copied == 1);
}

TEST_CASE("gc takes nothing that a sync brought, and sync brings back nothing of what gc took",
          "[sync]") {
  const Pair f;
  f.run();
  collect(f.other, at_once());
  f.check_other_is_whole();
  forget(f.place, f.names[1]);
  collect(f.place, at_once());
  CHECK(f.run().report.copied == 0);
  CHECK(revisions_of(f.other).size() == 3);
  CHECK(defects(f.other) == Lines{});
}

TEST_CASE("objects that gc has in the trash are copied like others", "[sync]") {
  const Pair f;
  const std::string run = f.place.path() + "/trash/" + std::string(32, 'd');
  fs::create_directories(run);
  fs::rename(file_of(f.place, "shared 1"),
             run + "/" + fs::path(object_of("shared 1")).filename().string());
  CHECK(f.run().report.copied == 3);
  CHECK(defects(f.other) == Lines{});
}

// --- damage

TEST_CASE("revisions that need a damaged object are not copied, all others are", "[sync]") {
  const Pair f;
  const std::string path = file_of(f.place, "version 1 file 1");
  SECTION("changed") {
    replace_file(path, "version 1 fire 1");
  }
  SECTION("cut short") {
    replace_file(path, "vers");
  }
  SECTION("missing") {
    fs::remove(path);
  }
  const Synced synced = f.run();
  CHECK(synced.report.copied == 2);
  CHECK(synced.report.damaged == 1);
  REQUIRE(synced.revisions.size() == 3);
  REQUIRE(synced.revisions[1].tree.obstacles.size() == 1);
  CHECK(synced.revisions[1].tree.obstacles[0].kind == Obstacle::Kind::damaged);
  CHECK(revisions_of(f.other) == Lines{f.names[0], f.names[2]});
  CHECK(defects(f.other) == Lines{});
}

TEST_CASE("a damaged page or head costs its revision only", "[sync]") {
  const Pair f;
  const std::string head = f.place.path() + "/" + layout::head(f.names[1]);
  if (GENERATE(true, false)) {
    const Head whole = heads_of(f.place)[1];
    replace_file(f.place.path() + "/" + object_path({whole.tree.page, std::nullopt}),
                 "# reverse page 1\n");
  } else {
    replace_file(head, "reverse-manifest: 1\n");
  }
  const Synced synced = f.run();
  CHECK(synced.report.copied == 2);
  CHECK(synced.report.damaged == 1);
  CHECK(revisions_of(f.other) == Lines{f.names[0], f.names[2]});
  CHECK(defects(f.other) == Lines{});
}

TEST_CASE("what the target lacks although its revisions need it is brought again", "[sync]") {
  Pair f;
  f.run();
  fs::remove(file_of(f.other, "shared 2"));
  fs::remove_all(f.machine.cache());
  f.back_up(3);
  CHECK(f.run().report.copied == 1);
  CHECK(defects(f.other) == Lines{});
}

TEST_CASE("a file too large for the target holds back its revision only", "[sync]") {
  Pair f;
  const std::string large(5'000'000, 'l');
  f.source.write("large", large);
  f.back_up(3);
  f.source.remove("large");
  f.back_up(4);
  const auto to = f.other.connect();
  std::map<RepoPath, int> writes;
  to->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call == "write" && ++writes[path] > 2)
      fail(ErrorKind::unsupported, "write: File too large");
  });
  const Synced synced = sync(*f.place.connect(), *to, f.machine);
  CHECK(synced.report.copied == 4);
  CHECK(synced.report.held_back == 1);
  REQUIRE(synced.revisions.size() == 5);
  REQUIRE(synced.revisions[3].tree.has(Obstacle::Kind::too_large));
  CHECK(synced.revisions[3].tree.obstacles[0].path == "large");
  CHECK(defects(f.other) == Lines{});
}

TEST_CASE("a repository has no name that FAT could not hold", "[sync]") {
  Pair f;
  for (const char* name : {"a:b", "CON", "case", "CASE", "tail. ", "q?*|\"<>", "back\\slash", "\xff"})
    f.source.write(std::string("odd/") + name, name);
  BackupOptions options = Client::options(f.source.path());
  options.host = set_component("Some:Host.");
  options.label = label_of_source("/srv/What? \"Now\"");
  f.client.back_up(f.place, options);
  f.run();
  std::set<std::string> folded;
  for (const auto& [path, content] : f.other.files()) {
    CAPTURE(path);
    CHECK(path.find_first_of(":?*|\"<>\\ ") == std::string::npos);
    CHECK(path.find("./") == std::string::npos);
    CHECK(path.back() != '.');
    std::string lower = path;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    CHECK(folded.insert(lower).second);
  }
}

TEST_CASE("an error of the target ends the run, and is no damage", "[sync]") {
  const Pair f;
  const auto to = f.other.connect();
  Repository::create(*to, DigestKind::md5);
  to->queue_fault("write", ErrorKind::no_space, 20);
  try {
    sync(*f.place.connect(), *to, f.machine);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::no_space);
  }
  CHECK(defects(f.other) == Lines{});
  CHECK(f.run().report.damaged == 0);
  f.check_other_is_whole();
}

// --- interruption

TEST_CASE("a gate that gc closes meanwhile is no matter: everything is looked at once more",
          "[sync]") {
  const Pair f;
  const auto to = f.other.connect();
  int left = 2;
  to->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call == "publish" && path.starts_with("manifests/") && left-- > 0)
      fs::remove_all(f.other.path() + "/writing");
  });
  CHECK(sync(*f.place.connect(), *to, f.machine).report.copied == 3);
  f.check_other_is_whole();
}

// --- other digests

TEST_CASE("between digests everything is hashed anew, there and back", "[sync]") {
  const Pair f;
  const Place sha256;
  CHECK(sync(f.place, sha256, f.machine, {}, DigestKind::sha256).report.copied == 3);
  CHECK(revisions_of(sha256) == f.names);
  CHECK(defects(sha256) == Lines{});
  check_all_restore(sha256, f.expected);
  CHECK(sync(sha256, f.place, f.machine).report == SyncReport{.present = 3});
  const Place back;
  CHECK(sync(sha256, back, f.machine, {}, DigestKind::md5).report.copied == 3);
  CHECK(defects(back) == Lines{});
  for (const auto& [path, content] : f.place.files())
    if (path.starts_with("objects/")) CHECK(back.files().count(path) == 1);
}

TEST_CASE("between digests what was hashed once and is there is not read again", "[sync]") {
  Pair f;
  Place sha256;
  sync(f.place, sha256, f.machine, {}, DigestKind::sha256);
  f.back_up(3);
  std::set<std::string> read;
  const auto from = f.place.connect();
  from->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call == "read" || call == "open") read.insert(path);
  });
  CHECK(sync(*from, *sha256.connect(), f.machine).report.copied == 1);
  CHECK(read.count(object_of("version 3 file 1")) == 1);
  CHECK(read.count(object_of("shared 1")) == 0);
  CHECK(revisions_of(sha256) == revisions_of(f.place));
  CHECK(defects(sha256) == Lines{});
  check_all_restore(sha256, f.expected);
}

TEST_CASE("between digests what the target has lost since is hashed anew, whatever is remembered",
          "[sync]") {
  Pair f;
  Place sha256;
  sync(f.place, sha256, f.machine, {}, DigestKind::sha256);
  const Digest lost = hash_bytes(DigestKind::sha256, "shared 1").digest;
  fs::remove(sha256.path() + "/" + object_path({lost, std::nullopt}));
  for (const auto& file : fs::directory_iterator(f.machine.cache()))
    if (file.path().filename().string().starts_with("present-")) fs::remove(file.path());
  f.back_up(3);
  SECTION("and sent") {
    CHECK(sync(f.place, sha256, f.machine).report.copied == 1);
    CHECK(defects(sha256) == Lines{});
  }
  SECTION("and found damaged") {
    replace_file(file_of(f.place, "shared 1"), "shared I");
    CHECK(sync(f.place, sha256, f.machine).report.damaged == 1);
    CHECK(revisions_of(sha256).size() == 3);
  }
}

TEST_CASE("between digests names are never trusted", "[sync]") {
  const Pair f;
  replace_file(file_of(f.place, "version 1 file 1"), "version 1 fire 1");
  const Place sha256;
  const Synced synced = sync(f.place, sha256, f.machine, {}, DigestKind::sha256);
  CHECK(synced.report.copied == 2);
  CHECK(synced.report.damaged == 1);
  CHECK(defects(sha256) == Lines{});
}

// --- a disk that is carried

TEST_CASE("a disk brings what a far repository lacks, and nothing else", "[sync]") {
  Pair f;
  f.run(only({f.names[0]}));  // `other` is the far one
  const Inventory inventory = Inventory::parse(inventory_of(f.other), "far.inv");
  SyncOptions options;
  options.elsewhere = &inventory;
  const Place disk;
  CHECK(sync(f.place, disk, f.machine, options).report.copied == 2);
  CHECK(revisions_of(disk) == Lines{f.names[1], f.names[2]});
  CHECK_FALSE(has_object(disk, "shared 1"));
  CHECK(has_object(disk, "version 2 file 1"));
  CHECK_THROWS_AS(Repository::open(*disk.connect(), true), Error);

  const Client there;
  CHECK(sync(disk, f.other, there).report.copied == 2);
  f.check_other_is_whole();
  CHECK(sync(disk, f.other, there).report == SyncReport{.present = 2});
  CHECK(sync(f.place, disk, f.machine, options).report == SyncReport{.present = 3});
}

TEST_CASE("disks too small for it all bring it in several trips", "[sync]") {
  Pair f;
  for (int i = 0; i < 10; ++i)
    f.source.write("big" + std::to_string(i), std::string(10'000, 'a' + i));
  f.back_up(3);
  const Client there;
  Repository::create(*f.other.connect(), DigestKind::md5);
  const bool has_one_disk = GENERATE(false, true);
  const Place same;
  int trips = 0;
  for (; revisions_of(f.other) != revisions_of(f.place) && trips < 40; ++trips) {
    CAPTURE(trips);
    const Inventory inventory = Inventory::parse(inventory_of(f.other), "far.inv");
    SyncOptions options;
    options.elsewhere = &inventory;
    options.max_bytes = 100'000;
    const Place fresh;
    const Place& disk = has_one_disk ? same : fresh;
    const Synced out = sync(f.place, disk, f.machine, options);
    CHECK(out.report.bytes <= 100'000);
    for (int repeated = 0; repeated < 2; ++repeated) {
      const Synced in = sync(disk, f.other, there);
      CHECK(in.report.damaged == 0);
      CHECK(defects(f.other) == Lines{});
    }
  }
  CHECK(trips > 2);
  f.check_other_is_whole();
  CHECK(f.other.objects() == f.place.objects());
}

TEST_CASE("a content larger than all that may be sent is named, and holds back its revision",
          "[sync]") {
  const Pair f;
  SyncOptions options;
  options.max_bytes = 60'000;
  const Synced synced = f.run(options);
  CHECK(synced.report.held_back == 3);
  CHECK(synced.revisions[0].tree.has(Obstacle::Kind::too_large));
}

TEST_CASE("with a bound on what is sent, the plan is what happens, and shared contents count once",
          "[sync]") {
  Pair f;
  const Inventory nothing;
  SyncOptions options;
  options.elsewhere = GENERATE_REF(static_cast<const Inventory*>(nullptr), &nothing);
  options.max_bytes = 100'000;  // a large file of 70,000 a revision
  const Place disk;
  Repository::create(*disk.connect(), DigestKind::md5);
  if (options.elsewhere) sync(f.place, disk, f.machine, options);
  for (int run = 0; run < 3; ++run) {
    CAPTURE(run);
    SyncOptions dry = options;
    dry.dry_run = true;
    const Synced planned = sync(f.place, disk, f.machine, dry);
    const Synced done = sync(f.place, disk, f.machine, options);
    CHECK(planned.report == done.report);
    REQUIRE(planned.revisions.size() == done.revisions.size());
    for (std::size_t i = 0; i < done.revisions.size(); ++i)
      CHECK(planned.revisions[i].tree.obstacle_count == done.revisions[i].tree.obstacle_count);
  }
  CHECK(revisions_of(disk) == revisions_of(f.place));
}

TEST_CASE("with a bound on what is sent, the next run goes on where one ended", "[sync]") {
  const Pair f;
  SyncOptions options;
  options.max_bytes = 100'000;
  int runs = 0;
  do {
    const Synced synced = f.run(options);
    CHECK(synced.report.bytes <= 100'000);
    CHECK(defects(f.other) == Lines{});
  } while (++runs < 40 && revisions_of(f.other).size() < 3);
  CHECK(runs > 1);
  f.check_other_is_whole();
}

}  // namespace reverse
