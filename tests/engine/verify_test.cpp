#include "libcore/engine/verify.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <random>

#include "libcore/base/fd.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/seen_heads.h"
#include "tests/engine/verify_scene.h"
#include "tests/support/fixtures.h"
#include "tests/support/skip.h"

using Catch::Matchers::Contains;

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

using Scene = VersionsOfPages;

/// Every page of a revision below the root, as "OBJECT" by its first path.
std::map<std::string, PageRef> pages_of(const Place& place, const Head& head) {
  std::map<std::string, PageRef> pages;
  const auto backend = place.connect();
  const Repository repository = Repository::open(*backend, false);
  const Page root =
      parse_page(head.tree, repository.read_object(head.tree.sums()), DigestKind::md5);
  for (const PageRef& page : root.pages) pages[page.first] = page;
  return pages;
}

std::string path_of(const Place& place, const PageRef& page) {
  return place.path() + "/" + object_path({page.page, std::nullopt});
}

}  // namespace

TEST_CASE("a sound repository verifies, every object is read once, and nothing is written",
          "[verify]") {
  const Scene scene;
  const auto before = scene.place.files();
  const auto backend = scene.place.connect();
  std::map<std::string, int> reads;
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    CHECK((call == "read" || call == "list" || call == "stat"));
    if (call == "read") ++reads[path];
  });
  const Verified verified = verify(*backend);
  CHECK(verified.damages.empty());
  CHECK(verified.observer->warnings.empty());
  CHECK(verified.report.revisions == 3);
  CHECK(verified.report.objects == scene.place.objects());
  CHECK(verified.report.objects_verified == scene.place.objects());
  CHECK(verified.report.bytes_verified == verified.report.bytes);
  CHECK(verified.report.never_verified == 0);
  CHECK(verified.report.pages >= 5);
  CHECK_FALSE(verified.report.is_damaged());
  for (const std::string& name : files_below(scene.place, "objects"))
    CHECK(reads["objects/" + name] >= 1);
  CHECK(scene.place.files() == before);
}

TEST_CASE("a flipped bit in some objects is reported for exactly the files that need them",
          "[verify]") {
  const Scene scene;
  const auto needs = needs_of_objects(scene.place);
  for (unsigned seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    Trial trial(scene);
    std::mt19937_64 random(seed);
    std::vector<std::string> objects = objects_of(trial.place, true);
    std::shuffle(objects.begin(), objects.end(), random);
    objects.resize(1 + random() % (objects.size() / 2));
    Names wanted, kinds;
    for (const std::string& object : objects) {
      flip_bit(object, random());
      kinds.insert("digest " + base_name(object));
      const auto& names = needs.at(scene.place.path() + object.substr(trial.place.path().size()));
      wanted.insert(names.begin(), names.end());
    }
    const Verified verified = verify(trial.place);
    CHECK(verified.paths() == wanted);
    CHECK(verified.kinds() == kinds);
    CHECK(verified.report.objects_damaged == objects.size());
    CHECK(verified.report.paths_damaged == wanted.size());
    CHECK(verified.report.objects_verified == trial.place.objects() - objects.size());
    CHECK(verified.report.is_damaged());
  }
}

TEST_CASE("missing, cut, emptied, grown, swapped and writable objects are told apart", "[verify]") {
  const Scene scene;
  Trial trial(scene);
  const auto object = [&](const std::string& content) {
    return trial.place.path() + "/" + object_of(content);
  };
  const auto name = [&](const std::string& content) { return base_name(object_of(content)); };
  fs::remove(object("shared 1"));
  replace_file(object("shared 2"), "share");
  replace_file(object("shared 3"), "");
  replace_file(object("shared 4"), "shared 4 and more");
  fs::rename(object("shared 5"), object("shared 5") + ".x");
  fs::rename(object("shared 6"), object("shared 5"));
  fs::rename(object("shared 5") + ".x", object("shared 6"));
  ::chmod(object("shared 7").c_str(), 0644);
  for (const char* replaced : {"shared 2", "shared 3", "shared 4"})
    ::chmod(object(replaced).c_str(), 0444);
  for (const bool quick : {false, true}) {
    VerifyOptions options;
    options.quick = quick;
    const Verified verified = verify(trial.place, options);
    Names wanted{"missing " + name("shared 1"), "size " + name("shared 2"),
                 "size " + name("shared 3"), "size " + name("shared 4"),
                 "mode " + name("shared 7")};
    if (!quick) wanted.insert({"digest " + name("shared 5"), "digest " + name("shared 6")});
    CHECK(verified.kinds() == wanted);
    CHECK(verified.paths().size() == 3 * wanted.size());
  }
}

TEST_CASE("an object that belongs to somebody else than the repository is told", "[verify][root]") {
  if (::geteuid() != 0) SKIP_LOUDLY("only root gives files away");
  constexpr uid_t kOwner = 4711, kOther = 4712;
  const Scene scene;
  Trial trial(scene);
  const auto object = [&](const std::string& content) {
    return trial.place.path() + "/" + object_of(content);
  };
  REQUIRE(::chown(object("shared 1").c_str(), kOther, kOther) == 0);
  CHECK(verify(trial.place).kinds() == Names{"mode " + base_name(object_of("shared 1"))});
  for (const auto& entry : fs::recursive_directory_iterator(trial.place.path()))
    REQUIRE(::chown(entry.path().c_str(), kOwner, kOwner) == 0);
  REQUIRE(::chown(trial.place.path().c_str(), kOwner, kOwner) == 0);
  REQUIRE(::chown(object("shared 2").c_str(), 0, 0) == 0);
  CHECK(verify(trial.place).damages.empty());
  REQUIRE(::chown(object("shared 1").c_str(), kOther, kOther) == 0);
  CHECK(verify(trial.place).paths().size() == 3);
  REQUIRE(::chmod(trial.place.path().c_str(), 02770) == 0);  // a group's: they have many owners
  CHECK(verify(trial.place).damages.empty());
}

TEST_CASE("objects that are hashed while they are pulled are judged like small ones", "[verify]") {
  Scene scene;
  const auto content = [](int i) {
    return std::string((3u << 20) + static_cast<unsigned>(i), static_cast<char>('a' + i));
  };
  for (int i = 0; i < 6; ++i) scene.source.write("large/" + std::to_string(i), content(i));
  const std::string revision = scene.back_up(3);
  flip_bit(scene.place.path() + "/" + object_of(content(1)), 4711);
  flip_bit(scene.place.path() + "/" + object_of(content(4)), 23'000'000);
  const auto backend = scene.place.connect();
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call == "read" && path == object_of(content(3)))
      fail(ErrorKind::io, "read: Input/output error");
  });
  const Verified verified = verify(*backend);
  CHECK(verified.paths() ==
        Names{revision + ":large/1", revision + ":large/3", revision + ":large/4"});
  CHECK(verified.kinds() == Names{"digest " + base_name(object_of(content(1))),
                                  "unreadable " + base_name(object_of(content(3))),
                                  "digest " + base_name(object_of(content(4)))});
  CHECK(verified.observer->progress.bytes > 15u << 20);
}

TEST_CASE("a quick verification reads no file's content", "[verify]") {
  const Scene scene;
  const auto contents = objects_of(scene.place, true);
  const auto backend = scene.place.connect();
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call == "read") {
      CHECK(std::count(contents.begin(), contents.end(), scene.place.path() + "/" + path) == 0);
    }
  });
  VerifyOptions options;
  options.quick = true;
  const Verified verified = verify(*backend, options);
  CHECK_FALSE(verified.report.is_damaged());
  CHECK(verified.report.objects == scene.place.objects());
  CHECK(verified.report.objects_verified == 0);
}

TEST_CASE("of a damaged or missing page it is told where it begins and how much it held",
          "[verify]") {
  const Scene scene;
  const Head head = heads_of(scene.place).back();
  const auto pages = pages_of(scene.place, head);
  REQUIRE(pages.size() >= 3);
  for (const bool missing : {false, true})
    for (const bool quick : {false, true}) {
      CAPTURE(missing, quick);
      Trial trial(scene);
      const PageRef page = std::next(pages.begin())->second;
      const std::string path = path_of(trial.place, page);
      missing ? void(fs::remove(path)) : flip_bit(path, 4321);
      VerifyOptions options;
      options.quick = quick;
      const Verified verified = verify(trial.place, options);
      REQUIRE(verified.damages.size() == 1);
      const Damage& damage = verified.damages[0];
      CHECK(damage.kind == (missing ? DamageKind::missing : DamageKind::digest));
      CHECK(damage.object == page.page.hex());
      CHECK(damage.revision == head.revision());
      CHECK(damage.path == page.first);
      CHECK(damage.entries == page.entries);
      CHECK(verified.report.paths_damaged == page.entries);
    }
}

TEST_CASE("a page that is whole and no page is damage", "[verify]") {
  Scene scene;
  Head head = heads_of(scene.place).back();
  const std::string text = "# reverse page 1\n- {\"type\": \"file\"}\n";
  const Sums sums = hash_bytes(DigestKind::md5, text);
  write_file(scene.place.path() + "/" + object_path({sums.digest, std::nullopt}), text, 0444);
  head.tree.page = sums.digest;
  head.tree.check = sums.check;
  head.tree.size = sums.size;
  head.tree.level = 0;
  replace_file(scene.place.path() + "/" + layout::head(head.revision()), format_head(head));
  const Verified verified = verify(scene.place);
  CHECK(verified.kinds() == Names{"page " + sums.digest.hex()});
  CHECK(verified.paths() == Names{head.revision() + ":"});
}

TEST_CASE("a head that is torn anywhere is damage, and the others are verified", "[verify]") {
  const Scene scene;
  const std::string name = heads_of(scene.place)[1].revision();
  const std::string text = read_file(scene.place.path() + "/" + layout::head(name));
  for (std::size_t size = 0; size < text.size(); size += 41) {
    CAPTURE(size);
    Trial trial(scene);
    replace_file(trial.place.path() + "/" + layout::head(name), text.substr(0, size));
    const Verified verified = verify(trial.place);
    CHECK(verified.kinds() == Names{"manifest " + name});
    CHECK(verified.report.revisions == 2);
    CHECK(verified.report.manifests_damaged == 1);
    CHECK(verified.report.is_damaged());
  }
}

TEST_CASE("a head that gc has seen and nobody removed is missing", "[verify]") {
  Scene scene;
  collect(scene.place, GcOptions());
  const std::string lost = heads_of(scene.place)[0].revision();
  fs::remove(scene.place.path() + "/" + layout::head(lost));
  CHECK(verify(scene.place).kinds() == Names{"manifest " + lost});
  forget(scene.place, heads_of(scene.place)[0].revision());
  Scene other;
  forget(other.place, other.last);
  collect(other.place, at_once());
  CHECK(verify(other.place).damages.empty());
}

TEST_CASE("an object that the medium does not deliver is unreadable", "[verify]") {
  const Scene scene;
  const std::string object = object_of("shared 1");
  const auto backend = scene.place.connect();
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call == "read" && path == object) fail(ErrorKind::io, "read: Input/output error");
  });
  const Verified verified = verify(*backend);
  CHECK(verified.kinds() == Names{"unreadable " + base_name(object)});
  CHECK(verified.paths().size() == 3);
  CHECK(verified.observer->problems.size() == 1);
}

TEST_CASE("an object that may not be read is not verified, and no damage", "[verify]") {
  const Scene scene;
  const std::string object = object_of("shared 1");
  const auto backend = scene.place.connect();
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call == "read" && path == object) fail(ErrorKind::permission, "read: Permission denied");
  });
  const Verified verified = verify(*backend);
  CHECK(verified.damages.empty());
  CHECK(verified.report.not_verified == 1);
  CHECK(verified.report.objects_verified == scene.place.objects() - 1);
}

TEST_CASE("what was read wrong once and is right on the medium is no damage, but told",
          "[verify]") {
  const Scene scene;
  const std::string path = scene.place.path() + "/" + object_of("shared 1");
  const auto backend = scene.place.connect();
  int reads = 0;
  backend->set_hook([&](std::string_view call, const RepoPath& read, std::uint64_t) {
    if (call == "read" && read == object_of("shared 1") && ++reads <= 2) flip_bit(path, 3);
  });
  const Verified verified = verify(*backend);
  CHECK(verified.damages.empty());
  REQUIRE(verified.observer->warnings.size() == 1);
  CHECK_THAT(verified.observer->warnings[0], Contains("memory"));
}

TEST_CASE("another content with the same MD5 under an object's name is found by its check",
          "[verify]") {
  const std::string a = read_file(fixture("md5-collision/a.bin"));
  const std::string b = read_file(fixture("md5-collision/b.bin"));
  Versions scene;
  scene.source.write("dir/pair", a);
  const std::string revision = scene.back_up(0);
  replace_file(scene.place.path() + "/" + object_of(a), b);
  ::chmod((scene.place.path() + "/" + object_of(a)).c_str(), 0444);
  const Verified verified = verify(scene.place);
  CHECK(verified.kinds() == Names{"check " + base_name(object_of(a))});
  CHECK(verified.paths() == Names{revision + ":dir/pair"});

  SECTION("and not where both contents are stored, each under its name") {
    Versions both;
    both.source.write("a", a);
    both.source.write("b", b);
    both.back_up(0);
    CHECK(verify(both.place).damages.empty());
    const auto variant = files_below(both.place, "objects");
    for (const std::string& name : variant)
      if (name.find('-') != std::string::npos) {
        flip_bit(both.place.path() + "/objects/" + name, 77);
        const Verified damaged = verify(both.place);
        CHECK(damaged.kinds() == Names{"digest " + base_name(name)});
        CHECK(damaged.paths().size() == 1);
      }
  }
}

TEST_CASE("damage to an object that no revision needs is told without a path", "[verify]") {
  Scene scene;
  const std::string content = "nobody's";
  write_file(scene.place.path() + "/" + object_of(content), "somebody", 0444);
  const Verified verified = verify(scene.place);
  REQUIRE(verified.damages.size() == 1);
  CHECK(verified.damages[0].revision.empty());
  CHECK(verified.damages[0].object == base_name(object_of(content)));
  CHECK(verified.report.is_damaged());
  VerifyOptions options;
  options.revisions = {scene.last};
  CHECK(verify(scene.place, options).damages.empty());
}

TEST_CASE("only what the named revisions need is verified", "[verify]") {
  const Scene scene;
  Trial trial(scene);
  const auto heads = heads_of(trial.place);
  flip_bit(trial.place.path() + "/" + object_of("version 0 file 1"), 5);
  flip_bit(trial.place.path() + "/" + object_of("version 1 file 1"), 5);
  VerifyOptions options;
  options.revisions = {heads[1].revision()};
  const Verified verified = verify(trial.place, options);
  CHECK(verified.paths() == Names{heads[1].revision() + ":own/f1"});
  CHECK(verified.report.revisions == 1);
}

TEST_CASE("what lies in the trash and is needed is verified there; the rest is counted",
          "[verify]") {
  Scene scene;
  const std::string run = scene.place.path() + "/trash/" + std::string(32, 'c');
  fs::create_directories(run);
  for (const char* content : {"shared 1", "shared 2"})
    fs::rename(scene.place.path() + "/" + object_of(content),
               run + "/" + base_name(object_of(content)));
  write_file(run + "/" + base_name(object_of("unneeded")), "unneeded");
  write_file(scene.place.path() + "/tmp/upload", "half");
  write_file(scene.place.path() + "/objects/00/notes.txt", "mine");
  write_file(scene.place.path() + "/notes.txt", "mine");
  write_file(scene.place.path() + "/manifests/notes.txt", "mine");
  write_file(scene.place.path() + "/bad/" + base_name(object_of("x")), "y");
  fs::create_directories(scene.place.path() + "/writing." + std::string(32, 'a'));
  const Verified sound = verify(scene.place);
  CHECK(sound.damages.empty());
  CHECK(sound.report.in_trash == 3);
  CHECK(sound.report.in_trash_bytes == 8 * 3);
  CHECK(sound.report.temporaries == 1);
  CHECK(sound.report.in_bad == 1);
  CHECK(sound.report.foreign == 3);
  CHECK(sound.observer->warnings.size() == 3);
  CHECK(sound.report.objects_verified == scene.place.objects() - 1 + 2);

  flip_bit(run + "/" + base_name(object_of("shared 1")), 1);
  const Verified damaged = verify(scene.place);
  CHECK(damaged.paths().size() == 3);
}

TEST_CASE("a revision that goes while it is verified is no damage", "[verify]") {
  const Scene scene;
  for (std::uint64_t n = 1; n < 800; n += 37) {
    CAPTURE(n);
    Trial trial(scene);
    const auto backend = trial.place.connect();
    backend->set_hook([&](std::string_view, const RepoPath&, std::uint64_t call) {
      if (call != n) return;
      forget(trial.place, heads_of(trial.place)[0].revision());
      collect(trial.place, at_once());
    });
    const Verified verified = verify(*backend);
    CHECK(verified.kinds() == Names{});
    CHECK(verified.observer->warnings == std::vector<std::string>{});
  }
}

TEST_CASE("accepted losses are named and do not count", "[verify]") {
  Scene scene;
  const std::string lost = base_name(object_of("shared 1"));
  fs::remove(scene.place.path() + "/" + object_of("shared 1"));
  VerifyOptions options;
  options.accepted_losses = {lost};
  const Verified accepted = verify(scene.place, options);
  CHECK(accepted.damages.size() == 3);
  CHECK(accepted.damages[0].is_accepted);
  CHECK_FALSE(accepted.report.is_damaged());
  fs::remove(scene.place.path() + "/" + object_of("shared 2"));
  CHECK(verify(scene.place, options).report.is_damaged());
}

}  // namespace reverse
