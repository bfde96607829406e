#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <linux/magic.h>

#include "libcore/base/fd.h"
#include "tests/engine/client.h"
#include "tests/engine/odd_tree.h"
#include "tests/engine/test_clock.h"
#include "tests/engine/tree_facts.h"
#include "tests/support/skip.h"

namespace reverse {
namespace {

using Lines = std::vector<std::string>;

TEST_CASE("a restored tree is the source in every name, type, mode, time, link, attribute and hole") {
  TempTree source;
  make_odd_tree(source);
  const TreeFacts before = facts_of(source.path());
  Place place;
  Client client;
  const BackupReport report = client.back_up(place, source.path());
  CHECK(report.head.outcome == Outcome::complete);
  CHECK(report.head.entries == before.size());
  CHECK(differences(before, facts_of(source.path())) == Lines{});  // reading leaves no trace

  TempDir target;
  const Restored restored = restore(place, "latest", target / "tree");
  CHECK(restored.observer->problems.empty());
  CHECK(restored.report.failed == 0);
  CHECK(differences(before, facts_of(target / "tree")) == Lines{});
  CHECK(defects(place) == Lines{});
}

TEST_CASE("the same tree comes back from a SHA-256 repository and after an unchanged second run") {
  TempTree source;
  source.write("a", "one");
  source.hardlink("a", "b/c");
  source.write("d", std::string(2'000'000, 'd'));
  source.symlink("a", "e");
  const TreeFacts before = facts_of(source.path());
  Place place;
  Repository::create(*place.connect(), DigestKind::sha256);
  Client client;
  client.back_up(place, source.path());
  advance_clock(10);
  client.back_up(place, source.path());
  client.back_up(place, source.path());
  REQUIRE(heads_of(place).size() == 3);
  for (const std::string revision : {"latest", "latest~1", "latest~2"}) {
    TempDir target;
    restore(place, revision, target.path());
    CHECK(differences(before, facts_of(target.path())) == Lines{});
  }
}

TEST_CASE("access control lists come back") {
  // Owner rw, user 12345 r, group r, mask r, others none; version 2, little-endian.
  static constexpr char kAcl[] =
      "\2\0\0\0"
      "\1\0\6\0\xff\xff\xff\xff"
      "\2\0\4\0\x39\x30\0\0"
      "\4\0\4\0\xff\xff\xff\xff"
      "\x10\0\4\0\xff\xff\xff\xff"
      "\x20\0\0\0\xff\xff\xff\xff";
  const std::string acl(kAcl, sizeof kAcl - 1);
  TempTree source;
  source.write("file", "guarded");
  source.make_dir("directory");
  if (::setxattr((source / "file").c_str(), "system.posix_acl_access", acl.data(), acl.size(), 0) != 0)
    SKIP_LOUDLY("no access control lists on this file system");
  source.set_xattr("directory", "system.posix_acl_default", acl);
  const TreeFacts before = facts_of(source.path());
  Place place;
  Client().back_up(place, source.path());
  TempDir target;
  restore(place, "latest", target.path());
  CHECK(before.at("file").text.find("posix_acl_access") != std::string::npos);
  CHECK(differences(before, facts_of(target.path())) == Lines{});
}

TEST_CASE("times of the whole range come back where the file systems hold them") {
  struct statfs fs {};
  if (::statfs("/dev/shm", &fs) != 0 || fs.f_type != TMPFS_MAGIC || ::access("/dev/shm", W_OK) != 0)
    SKIP_LOUDLY("no tmpfs at /dev/shm");
  const std::string outer = std::getenv("TMPDIR");
  ::setenv("TMPDIR", "/dev/shm", 1);
  TempTree source;
  TempDir target;
  ::setenv("TMPDIR", outer.c_str(), 1);
  int number = 0;
  for (const std::int64_t seconds : {-62'135'596'800, -2'208'988'801, 253'402'300'799, 1'099'511'627'776}) {
    const std::string name = std::to_string(number++);
    source.write(name, name);
    source.set_mtime(name, {seconds, 987'654'321});
  }
  const TreeFacts before = facts_of(source.path());
  REQUIRE(before.at("2").text.find(" 253402300799.987654321") != std::string::npos);
  Place place;
  Client client;
  BackupOptions options = Client::options(source.path());
  client.back_up(place, options);
  restore(place, "latest", target.path());
  CHECK(differences(before, facts_of(target.path())) == Lines{});
}

TEST_CASE("a file beyond 4 GiB comes back to the byte", "[.slow]") {
  TempTree source;
  source.make_sparse("large", (std::uint64_t{5} << 30) + 3);
  const UniqueFd fd = open_file(source / "large", O_WRONLY);
  REQUIRE(::pwrite(fd.get(), "mark", 4, (off_t{4} << 30) + 17) == 4);
  const TreeFacts before = facts_of(source.path());
  Place place;
  Client().back_up(place, source.path());
  TempDir target;
  restore(place, "latest", target.path());
  CHECK(differences(before, facts_of(target.path())) == Lines{});
}

// --- what only root can make

void make_privileged_tree(TempTree& tree) {
  tree.write("set-uid", "#!", 04755);
  tree.write("set-gid", "#!", 02755);
  tree.make_dir("set-gid-dir", 02775);
  tree.write("owned", "by others", 0640);
  tree.symlink("owned", "owned-link");
  tree.make_fifo("owned-fifo");
  for (const char* name : {"owned", "owned-link", "owned-fifo", "set-uid"})
    REQUIRE(::lchown((tree / name).c_str(), 12345, 54321) == 0);
  tree.set_mode("set-uid", 04755);  // the change of owner took the bit
  REQUIRE(::mknod((tree / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0);
  REQUIRE(::mknod((tree / "disk").c_str(), S_IFBLK | 0660, makedev(253, 77)) == 0);
  tree.set_xattr("owned", "trusted.note", "of root");
  tree.write("capable", "#!", 0755);
  // cap_net_raw=ep, revision 2
  const std::string capability("\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  tree.set_xattr("capable", "security.capability", capability);
}

TEST_CASE("owners, devices, set-id bits and privileged attributes come back on request", "[root]") {
  TempTree source;
  make_privileged_tree(source);
  const TreeFacts before = facts_of(source.path());
  Place place;
  Client().back_up(place, source.path());
  TempDir target;
  RestoreOptions options;
  options.target = target.path();
  options.special = true;
  const Restored restored = restore(place, "latest", options);
  CHECK(restored.report.special_left_out == 0);
  CHECK(differences(before, facts_of(target.path())) == Lines{});
}

TEST_CASE("without the request devices, set-id bits and privileged attributes are left out and counted", "[root]") {
  TempTree source;
  make_privileged_tree(source);
  Place place;
  Client().back_up(place, source.path());
  TempDir target;
  const Restored restored = restore(place, "latest", target.path());
  const TreeFacts after = facts_of(target.path());
  CHECK(restored.report.special_left_out == 6);  // two devices, two files' bits, two attributes
  CHECK(after.count("null") == 0);
  CHECK(after.count("disk") == 0);
  CHECK(after.at("set-uid").text.starts_with("100755 12345:54321 "));
  CHECK(after.at("set-gid").text.starts_with("100755 "));
  CHECK(after.at("owned").text.find("trusted") == std::string::npos);
  CHECK(after.at("owned").text.starts_with("100640 12345:54321 "));
  CHECK(after.at("capable").text.find("security") == std::string::npos);
  CHECK(restored.report.failed == 0);
}

TEST_CASE("owners go by name where the name is known here, else by number", "[root]") {
  TempTree source;
  source.write("nobody's", "x");
  REQUIRE(::chown((source / "nobody's").c_str(), 65534, 65534) == 0);
  Place place;
  Client().back_up(place, source.path());
  const std::vector<Entry> entries = entries_of(place, "latest");
  CHECK(entries.at(1).owner == "nobody:nogroup");
  for (const bool no_owner : {false, true}) {
    TempDir target;
    RestoreOptions options;
    options.target = target.path();
    options.no_owner = no_owner;
    restore(place, "latest", options);
    struct stat st {};
    REQUIRE(::stat((target / "nobody's").c_str(), &st) == 0);
    CHECK(st.st_uid == (no_owner ? 0 : 65534));
  }
}

}  // namespace
}  // namespace reverse
