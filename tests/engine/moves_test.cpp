#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

#include "libcore/base/fd.h"
#include "libcore/scan/source_entry.h"
#include "tests/engine/client.h"
#include "tests/engine/test_clock.h"
#include "tests/engine/tree_facts.h"
#include "tests/support/skip.h"
#include "tests/support/temp_tree.h"

// Which files must be read again, and which are known whatever they are called now.

namespace reverse {
namespace {

using Lines = std::vector<std::string>;

struct Scene {
  explicit Scene(int files = 5) {
    for (int i = 0; i < files; ++i) source.write("dir/f" + std::to_string(i), "content " + std::to_string(i));
    source.write("dir/with attributes", "x");
    source.set_xattr("dir/with attributes", "user.k", "v");
    advance_clock(10);
    client.back_up(place, source.path());
  }
  BackupReport again() {
    advance_clock(10);
    const BackupReport report = client.back_up(place, source.path());
    TempDir target;
    restore(place, "latest", target.path());
    CHECK(differences(facts_of(source.path()), facts_of(target.path())) == Lines{});
    return report;
  }
  TempTree source;
  Place place;
  Client client;
};

struct stat stat_of(const std::string& path) {
  struct stat st {};
  REQUIRE(::lstat(path.c_str(), &st) == 0);
  return st;
}

bool has_birth_times(const TempTree& tree) {
  const UniqueFd fd = open_file(tree.path(), O_RDONLY | O_DIRECTORY);
  return file_status(fd.get(), "dir", "dir").btime.has_value();
}

TEST_CASE("files that moved with their directory are not read") {
  Scene f(200);
  f.source.rename("dir", "elsewhere/deeper/dir");
  const BackupReport report = f.again();
  CHECK(report.files_moved == 201);
  CHECK(report.files_gone == 201);
  CHECK(report.bytes_read == 0);
  CHECK(report.files_new == 0);
  const BackupReport still = f.again();
  CHECK(still.files_moved == 0);
  CHECK(still.files_unmodified == 201);
  CHECK(still.bytes_read == 0);
}

TEST_CASE("a directory that moved keeps what is known below it, whatever else changed in it") {
  Scene f;
  f.source.write("dir/a/x", "x in a");
  f.source.write("dir/a/deep/y", "y in deep");
  f.source.write("dir/z/w", "w in z");
  f.again();
  SECTION("to a name before its own, another directory taking that at once") {
    f.source.rename("dir/z", "dir/b");
    f.source.write("dir/z/w", "other");
    CHECK(f.again().bytes_read == 5);
  }
  SECTION("to a name behind its own, with a file changed, one added and one removed in it") {
    f.source.rename("dir", "moved");
    f.source.write("moved/f1", "changed");
    f.source.write("moved/new", "added");
    f.source.remove("moved/f2");
    const BackupReport report = f.again();
    CHECK(report.bytes_read == 12);
    CHECK(report.files_new == 2);
    CHECK(report.files_moved == 7);
    CHECK(report.files_gone == 9);
  }
  SECTION("two that changed names") {
    f.source.rename("dir/a", "dir/x");
    f.source.rename("dir/z", "dir/a");
    f.source.rename("dir/x", "dir/z");
    const BackupReport report = f.again();
    CHECK(report.bytes_read == 0);
    CHECK(report.files_moved == 3);
    CHECK(report.files_gone == 3);
  }
  SECTION("one out of another that moved as well, and one into it") {
    f.source.rename("dir", "parent");
    f.source.rename("parent/a/deep", "above");
    f.source.rename("parent/z", "parent/a/inner");
    const BackupReport report = f.again();
    CHECK(report.bytes_read == 0);
    CHECK(report.files_moved == 9);
    CHECK(report.files_gone == 9);
  }
  SECTION("into a new directory of its old name") {
    f.source.rename("dir", "aside");
    f.source.rename("aside", "dir/dir");
    const BackupReport report = f.again();
    CHECK(report.bytes_read == 0);
    CHECK(report.files_moved == 9);
  }
  SECTION("and is looked at in a dry run before") {
    f.source.rename("dir", "moved");
    BackupOptions options = Client::options(f.source.path());
    options.dry_run = true;
    advance_clock(10);
    for (int i = 0; i < 2; ++i) CHECK(f.client.back_up(f.place, options).files_moved == 9);
    CHECK(f.again().files_moved == 9);
  }
  const BackupReport still = f.again();
  CHECK(still.bytes_read == 0);
  CHECK(still.files_moved + still.files_new + still.files_changed + still.files_gone == 0);
  CHECK(still.dirs_new == 0);
}

TEST_CASE("a copy of a directory is read, and the directory stays where it is") {
  Scene f;
  for (int i = 0; i < 5; ++i)
    f.source.write("copy/f" + std::to_string(i), "content " + std::to_string(i));
  const BackupReport report = f.again();
  CHECK(report.files_moved == 0);
  CHECK(report.files_gone == 0);
  CHECK(report.bytes_read == 45);
  CHECK(f.again().bytes_read == 0);
}

TEST_CASE("a directory that moved is known to other sets of the same machine as well") {
  Scene f;
  f.source.rename("dir", "moved");
  f.again();
  const BackupReport inside = f.client.back_up(f.place, f.source / "moved");
  CHECK(inside.bytes_read == 0);
  CHECK(inside.head.files == 6);
}

TEST_CASE("a file that was renamed by itself is recognised by its birth time") {
  Scene f;
  if (!has_birth_times(f.source)) SKIP_LOUDLY("no birth times on this file system");
  f.source.rename("dir/f1", "dir/renamed");
  f.source.rename("dir/with attributes", "other/place");
  const BackupReport report = f.again();
  CHECK(report.files_moved == 2);
  CHECK(report.bytes_read == 0);
}

TEST_CASE("a file that took another's name is not taken for it") {
  Scene f;
  f.source.rename("dir/f1", "dir/f2");
  f.again();
  CHECK(f.source.read("dir/f2") == "content 1");
}

TEST_CASE("two files that changed names are both recorded as what they are") {
  Scene f;
  f.source.rename("dir/f1", "dir/x");
  f.source.rename("dir/f2", "dir/f1");
  f.source.rename("dir/x", "dir/f2");
  f.again();
}

TEST_CASE("a new file with a deleted file's inode, size and time is read") {
  Scene f;
  const struct stat old = stat_of(f.source / "dir/f1");
  f.source.remove("dir/f1");
  bool is_reused = false;
  for (int i = 0; i < 200 && !is_reused; ++i) {
    const std::string name = "dir/trap" + std::to_string(i);
    f.source.write(name, "CONTENT 1");
    f.source.set_mtime(name, to_timestamp(old.st_mtim));
    is_reused = stat_of(f.source / name).st_ino == old.st_ino;
  }
  if (!is_reused) SKIP_LOUDLY("inodes are not reused at once on this file system");
  CHECK(f.again().files_moved == 0);
}

TEST_CASE("a new file of the same name with the deleted one's inode, size and time is read") {
  Scene f;
  const struct stat old = stat_of(f.source / "dir/f1");
  f.source.remove("dir/f1");
  f.source.write("dir/f1", "CONTENT 1");
  f.source.set_mtime("dir/f1", to_timestamp(old.st_mtim));
  CHECK(f.again().bytes_read == 9);
}

TEST_CASE("an edit that leaves size and time as they were is found by the change time") {
  Scene f;
  const struct stat old = stat_of(f.source / "dir/f3");
  const UniqueFd fd = open_file(f.source / "dir/f3", O_WRONLY);
  REQUIRE(::pwrite(fd.get(), "C", 1, 0) == 1);
  f.source.set_mtime("dir/f3", to_timestamp(old.st_mtim));
  const BackupReport report = f.again();
  CHECK(report.files_changed == 1);
  CHECK(report.bytes_read == 9);
}

TEST_CASE("without change times such an edit is missed, as was asked for") {
  Scene f;
  const struct stat old = stat_of(f.source / "dir/f3");
  const UniqueFd fd = open_file(f.source / "dir/f3", O_WRONLY);
  REQUIRE(::pwrite(fd.get(), "C", 1, 0) == 1);
  f.source.set_mtime("dir/f3", to_timestamp(old.st_mtim));
  BackupOptions options = Client::options(f.source.path());
  options.ignore_ctime = true;
  advance_clock(10);
  CHECK(f.client.back_up(f.place, options).bytes_read == 0);
}

TEST_CASE("an edit right behind a backup is found by the next one, even within one tick of the clock") {
  TempTree source;
  Place place;
  Client client;
  for (int i = 0; i < 20; ++i) {
    source.write("file", "state " + std::to_string(10 + i));
    client.back_up(place, source.path());
    TempDir target;
    restore(place, "latest", target.path());
    CHECK(read_file(target / "file") == source.read("file"));
  }
}

TEST_CASE("a file too fresh to be trusted is read once more, and then no more") {
  TempTree source;
  Place place;
  Client client;
  source.write("file", "fresh");
  client.back_up(place, source.path());
  const BackupReport second = client.back_up(place, source.path());
  CHECK(second.bytes_read == 5);
  CHECK(second.files_changed == 0);
  CHECK(second.data_added == 0);
  advance_clock(10);
  client.back_up(place, source.path());
  CHECK(client.back_up(place, source.path()).bytes_read == 0);
}

TEST_CASE("times in the future do not make a file be read again and again") {
  TempTree source;
  Place place;
  Client client;
  source.write("file", "from 2200");
  source.set_mtime("file", {7'258'118'400, 0});
  advance_clock(10);
  client.back_up(place, source.path());
  CHECK(client.back_up(place, source.path()).bytes_read == 0);
}

TEST_CASE("changes of mode, owner or attributes alone cost one read, add one page, and are recorded") {
  Scene f;
  f.source.set_mode("dir/f1", 0600);
  f.source.set_xattr("dir/f2", "user.new", "value");
  const BackupReport report = f.again();
  CHECK(report.head.new_objects <= 2);
  CHECK(report.bytes_read == 18);
  f.source.set_xattr("dir/with attributes", "user.k", "w");
  f.again();
}

TEST_CASE("a further name of a known file is found, and so is the loss of one") {
  Scene f;
  f.source.hardlink("dir/f1", "another name");
  CHECK(f.again().head.files == 7);
  f.source.remove("dir/f1");
  CHECK(f.again().head.files == 6);
  f.source.remove("another name");
  f.source.write("another name", "no link any more");
  f.again();
}

TEST_CASE("a name may change its type from run to run, and is not read twice for it") {
  Scene f;
  f.source.remove("dir/f1");
  f.source.write("dir/f1/now/a/directory", "file");
  f.again();
  f.source.remove("dir/f1");
  f.source.symlink("f2", "dir/f1");
  f.again();
  f.source.remove("dir/f1");
  f.source.write("dir/f1", "a file again");
  f.again();
  f.source.remove("dir/f2");
  f.source.write("dir/f2/inside", "x");
  f.again();
  CHECK(f.again().dirs_unmodified == 3);
  f.source.remove("dir/f2");
  f.source.write("dir/f2", "and back");
  CHECK(f.again().bytes_read == 8);
  CHECK(f.again().bytes_read == 0);
}

}  // namespace
}  // namespace reverse
