#include <catch2/catch.hpp>
#include <filesystem>
#include <random>

#include "libcore/catalog/catalog.h"
#include "libcore/catalog/present_set.h"
#include "tests/engine/client.h"
#include "tests/engine/test_clock.h"
#include "tests/support/temp_tree.h"

// Pages that are known from the revision before and used again (engine/page_match.h, engine/growing_tree.h): what comes of it
// must be the tree that a machine without any knowledge makes.

namespace reverse {
namespace {

namespace fs = std::filesystem;

constexpr int kTrusted = 10;  // seconds after which a file's times are believed

std::string name_of(int number) {
  return "d" + std::to_string(number % 13) + "/e" + std::to_string(number % 3) + "/f" + std::to_string(number);
}

struct Scene {
  Scene() {
    for (int i = 0; i < 700; ++i) source.write(name_of(i), "content " + std::to_string(i));
    source.symlink("d1", "link");
    source.write("with", "attributes");
    source.set_xattr("with", "user.k", "v");
    source.write("d2/twice", "linked");
    source.hardlink("d2/twice", "d7/too");
    advance_clock(kTrusted);
    client.back_up(place, source.path());
  }

  BackupReport run() { return client.back_up(place, source.path()); }
  /// What a machine makes of the same source that knows nothing.
  PageRef tree_made_anew() { return Client().back_up(Place(), source.path()).head.tree; }
  std::vector<std::string> firsts_of_pages() {
    const auto backend = place.connect();
    const auto present = PresentSet::open(client.cache(), Repository::open(*backend, false).info().id, [](const std::string&) {});
    const auto pages = present->pages_of(source.path());
    std::vector<std::string> firsts;
    while (const KnownPage* page = pages->next()) firsts.push_back(page->first);
    return firsts;
  }

  TempTree source;
  Place place;
  Client client;
};

TEST_CASE("a run that knows all pages asks the catalog for nothing") {
  Scene f;
  CHECK(f.firsts_of_pages().size() > 10);
  fs::remove(f.client.catalog_file());
  const BackupReport second = f.run();
  // Links to an inode with others are looked up in the catalog, and here so are the pages that they are in.
  CHECK(second.bytes_read < 2000);
  CHECK(second.files_unmodified + second.files_new == second.head.files);
  CHECK(second.files_unmodified > 500);
  CHECK(second.head.tree == f.tree_made_anew());
}

TEST_CASE("what lies beside changed names in known pages is not looked up either") {
  Scene f;
  f.source.write(name_of(100), "changed");
  f.source.remove(name_of(300));
  f.source.write(name_of(500) + "0", "new");
  advance_clock(kTrusted);
  fs::remove(f.client.catalog_file());
  const BackupReport second = f.run();
  // Only what changed, a name at the end of a page that grew, and as above what is linked or beside it.
  CHECK(second.files_new < 80);
  CHECK(second.files_unmodified + second.files_new == second.head.files);
  CHECK(second.head.tree == f.tree_made_anew());
}

TEST_CASE("however a source changes, known pages give the tree that a first backup makes") {
  Scene f;
  std::mt19937 random(7);
  int next = 1000;
  for (int round = 0; round < 12; ++round) {
    std::uint64_t gone = 0;
    for (int edit = static_cast<int>(random() % 12); edit >= 0; --edit) {
      const std::string name = name_of(static_cast<int>(random() % 700));
      const bool exists = f.source.exists(name);
      switch (random() % 6) {
        case 0:
          f.source.write(name_of(next++), "new");
          break;
        case 1:
          f.source.write(name, "changed in round " + std::to_string(round));
          break;
        case 2:
          if (exists) f.source.remove(name), ++gone;
          break;
        case 3:
          if (exists) f.source.set_mode(name, 0600);
          break;
        case 4:
          f.source.write(name + "0", "behind another");
          break;
        case 5:
          if (exists) f.source.set_xattr(name, "user.round", std::to_string(round));
          break;
      }
    }
    if (round == 5) f.source.rename("d3", "d14");
    if (round == 7) f.source.remove("d5");
    if (round == 9) f.source.symlink("d2", "d1/another"), f.source.remove("link");
    advance_clock(kTrusted * (round + 2));
    INFO("round " << round);
    const BackupReport report = f.run();
    CHECK(report.head.tree == f.tree_made_anew());
    if (round < 5) CHECK(report.files_gone == gone);
    const BackupReport again = f.run();
    CHECK(again.head.tree == report.head.tree);
    CHECK(again.bytes_read == 0);
    CHECK(again.files_gone + again.files_new + again.files_changed == 0);
    CHECK(defects(f.place).empty());
  }
}

TEST_CASE("names that are left out lie between entries of known pages as well") {
  Scene f;
  BackupOptions options = Client::options(f.source.path());
  options.patterns = {"*5", "/d4"};
  f.client.back_up(f.place, options);
  const BackupReport second = f.client.back_up(f.place, options);
  CHECK(second.files_gone == 0);
  CHECK(second.bytes_read == 0);
  CHECK(f.client.observer->actions.at("d4") == ItemAction::excluded);
  CHECK(f.client.observer->actions.at(name_of(305)) == ItemAction::excluded);
  CHECK(second.head.tree == Client().back_up(Place(), options).head.tree);
}

/// Some hundred files in directories below big/.
struct BigScene : Scene {
  BigScene() {
    for (int i = 0; i < 400; ++i) source.write("big/" + name_of(i), "in big " + std::to_string(i));
    source.symlink("d1/\"quoted\"", "big/link");
    source.write("big/d3/\xff raw", "no clean name");
    advance_clock(kTrusted);
    run();
  }

  /// Makes the catalog's rows of files below big/ worthless.
  void spoil_rows() {
    const auto catalog = Catalog::open(client.cache(), [](const std::string&) {});
    std::vector<FileRow> rows;
    {
      const auto cursor = catalog->files_below(source.path() + "/big");
      while (const FileRow* row = cursor->next())
        if (row->md5) rows.push_back(*row);
    }
    REQUIRE(rows.size() == 401);
    for (FileRow& row : rows) row.inode = 1;
    catalog->put_files(rows);
  }
};

TEST_CASE("what moved with its directory is known by the pages of its old place") {
  BigScene f;
  std::string place;
  SECTION("to a name before") { place = "before/the old one"; }
  SECTION("to a name behind") { place = "dig"; }
  SECTION("to a name that is not clean") { place = "caf\xe9"; }
  f.spoil_rows();
  f.source.rename("big", place);
  advance_clock(kTrusted * 2);
  const BackupReport report = f.run();
  // Read is what shares its page with names outside.
  CHECK(report.files_moved > 200);
  CHECK(report.files_new + report.files_moved == 401);
  CHECK(report.files_gone == 401);
  CHECK(report.head.tree == f.tree_made_anew());
  CHECK(defects(f.place).empty());
  for (const std::string& first : f.firsts_of_pages()) CHECK_FALSE(first.starts_with("big/"));
  const BackupReport again = f.run();
  CHECK(again.head.tree == report.head.tree);
  CHECK(again.files_unmodified == again.head.files);
  CHECK(again.bytes_read == 0);
}

TEST_CASE("however directories move, known pages give the tree that a first backup makes") {
  BigScene f;
  std::mt19937 random(11);
  const auto directory = [&] { return "big/d" + std::to_string(random() % 13); };
  for (int round = 0; round < 14; ++round) {
    const std::string one = directory(), other = directory();
    switch (round % 7) {
      case 0:
        f.source.rename("big", "a place before");
        break;
      case 1:
        f.source.rename("a place before", "big");
        break;
      case 2:  // one into another
        if (one != other && f.source.exists(one)) f.source.rename(one, other + "/inner");
        break;
      case 3:  // two that change names
        f.source.rename("big/d1", "aside");
        if (f.source.exists("big/d2")) f.source.rename("big/d2", "big/d1");
        f.source.rename("aside", "big/d2");
        break;
      case 4:  // all, and one more in it, and a file changed
        f.source.rename("big", "z");
        f.source.write("z/d7/changed", "in round " + std::to_string(round));
        if (f.source.exists("z/d2")) f.source.rename("z/d2", "z/d20");
        f.source.rename("z/d20", "d2 outside");
        break;
      case 5:  // back, and a part of it elsewhere
        f.source.rename("z", "big");
        f.source.rename("d2 outside", "big/d2");
        if (f.source.exists("big/d4")) f.source.rename("big/d4", "big/d2/from round " + std::to_string(round));
        break;
      case 6:  // its name taken by others
        f.source.rename("big", "big ones");
        f.source.write("big/d1/e1/new", "round " + std::to_string(round));
        f.source.rename("big ones", "big/big");
        f.source.rename("big/big", "c");
        f.source.remove("big");
        f.source.rename("c", "big");
        break;
    }
    advance_clock(kTrusted * (round + 2));
    INFO("round " << round);
    const BackupReport report = f.run();
    CHECK(report.head.tree == f.tree_made_anew());
    CHECK(report.bytes_read < 100);
    const BackupReport again = f.run();
    CHECK(again.head.tree == report.head.tree);
    CHECK(again.bytes_read == 0);
    CHECK(again.files_gone + again.files_new + again.files_changed + again.files_moved == 0);
    CHECK(defects(f.place).empty());
  }
}

TEST_CASE("pages of the old place prove nothing once the gate was closed") {
  BigScene f;
  std::size_t lost = 0;
  for (const auto& [path, content] : f.place.files())
    if (path.starts_with("objects/") && content == "in big 42") lost += fs::remove(f.place.path() + "/" + path);
  REQUIRE(lost == 1);
  fs::remove_all(f.place.path() + "/writing");
  f.source.rename("big", "moved");
  advance_clock(kTrusted * 2);
  CHECK(f.run().bytes_read == std::string("in big 42").size());
  CHECK(defects(f.place).empty());
}

TEST_CASE("pages of a directory that moved which are lost are not relied on") {
  BigScene f;
  f.source.rename("big", "moved");
  for (const auto& [path, content] : f.place.files())
    if (path.starts_with("objects/") && content.starts_with("# reverse page"))
      fs::remove(f.place.path() + "/" + path);  // behind everybody's back
  advance_clock(kTrusted * 2);
  const BackupReport report = f.run();
  CHECK(report.published);
  CHECK(report.head.tree == f.tree_made_anew());
}

TEST_CASE("a known page that is lost and would have to be taken apart is made anew") {
  Scene f;
  const std::vector<std::string> firsts = f.firsts_of_pages();
  for (const auto& [path, content] : f.place.files())
    if (path.starts_with("objects/")) fs::remove(f.place.path() + "/" + path);  // behind everybody's back
  for (int i = 1; i < 6; ++i) {
    // Comes right before the page's first entry: mostly into the page before it, which must be read for that.
    std::string name = firsts[firsts.size() * i / 6];
    --name.back();
    if (!f.source.exists(name)) f.source.write(name + "~", "between");
  }
  advance_clock(kTrusted * 2);
  const BackupReport report = f.run();
  CHECK(report.published);
  CHECK(report.head.tree == f.tree_made_anew());
}

}  // namespace
}  // namespace reverse
