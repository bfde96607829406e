#include "libcore/scan/source_entry.h"

#include <sys/xattr.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "libcore/base/error.h"
#include "tests/scan/recorder.h"

using namespace reverse;

TEST_CASE("a file's status is that of the name, not of what a symlink points to", "[scan]") {
  TempDir dir;
  put(dir / "file", "12345");
  REQUIRE(::chmod((dir / "file").c_str(), 04751) == 0);
  REQUIRE(::symlink("file", (dir / "link").c_str()) == 0);
  timespec times[2] = {{-1, 500000000}, {-1, 500000000}};
  REQUIRE(::utimensat(AT_FDCWD, (dir / "file").c_str(), times, 0) == 0);
  UniqueFd fd = open_file(dir.path(), O_RDONLY | O_DIRECTORY);

  FileStatus file = file_status(fd.get(), "file", "file");
  struct stat expected {};
  REQUIRE(::stat((dir / "file").c_str(), &expected) == 0);
  CHECK(file.type == FileType::file);
  CHECK(file.mode == 04751);
  CHECK(file.size == 5);
  CHECK(file.links == 1);
  CHECK(file.inode == expected.st_ino);
  CHECK(file.device == expected.st_dev);
  CHECK(file.uid == ::getuid());
  CHECK(file.mtime == Timestamp{-1, 500000000});
  CHECK_FALSE(file.sparse());

  CHECK(file_status(fd.get(), "link", "link").type == FileType::symlink);
  CHECK(file_status(fd.get(), "", "dir").type == FileType::directory);
}

TEST_CASE("the status of a missing name is an error that tells the path", "[scan]") {
  TempDir dir;
  UniqueFd fd = open_file(dir.path(), O_RDONLY | O_DIRECTORY);
  try {
    file_status(fd.get(), "none", "/shown/none");
    FAIL("found");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::not_found);
    CHECK_THAT(error.what(), Catch::Contains("'/shown/none'"));
  }
}

TEST_CASE("attributes are read by name, by descriptor and by path descriptor", "[scan]") {
  TempDir dir;
  put(dir / "f");
  const std::string large(3000, '\xff');
  std::string path = dir / "f";
  if (::setxattr(path.c_str(), "user.zeta", large.data(), large.size(), 0) != 0) {
    WARN("skipped: no user attributes on the file system of " << dir.path());
    return;
  }
  REQUIRE(::setxattr(path.c_str(), "user.empty", "", 0, 0) == 0);
  REQUIRE(::setxattr(dir.path().c_str(), "user.dir", "d", 1, 0) == 0);
  const Xattrs expected = {{"user.empty", ""}, {"user.zeta", large}};

  UniqueFd directory = open_file(dir.path(), O_RDONLY | O_DIRECTORY);
  CHECK(read_xattrs(directory.get(), "f", "f") == expected);
  CHECK(read_xattrs(open_file(path, O_RDONLY).get(), "", "f") == expected);
  CHECK(read_xattrs(open_file(path, O_PATH).get(), "", "f") == expected);
  CHECK(read_xattrs(directory.get(), "", "dir") == Xattrs{{"user.dir", "d"}});
}

TEST_CASE("more attribute names than fit a small buffer are all read", "[scan]") {
  TempDir dir;
  put(dir / "f");
  Xattrs expected;
  for (int i = 10; i < 60; ++i) {
    Xattr attribute{"user.a_rather_long_attribute_name_" + std::to_string(i), std::to_string(i)};
    if (::setxattr((dir / "f").c_str(), attribute.name.c_str(), attribute.value.data(), 2, 0) !=
        0) {
      WARN("skipped: no user attributes on the file system of " << dir.path());
      return;
    }
    expected.push_back(attribute);
  }
  UniqueFd fd = open_file(dir / "f", O_RDONLY);
  CHECK(read_xattrs(fd.get(), "", "f") == expected);
}

TEST_CASE("a symlink has its own attributes, not those of its target", "[scan]") {
  TempDir dir;
  put(dir / "f");
  REQUIRE(::symlink("f", (dir / "link").c_str()) == 0);
  ::setxattr((dir / "f").c_str(), "user.x", "1", 1, 0);
  UniqueFd fd = open_file(dir.path(), O_RDONLY | O_DIRECTORY);
  CHECK(read_xattrs(fd.get(), "link", "link").empty());
}

TEST_CASE("a file system without attributes has none", "[scan]") {
  UniqueFd fd = open_file("/proc/self", O_RDONLY | O_DIRECTORY);
  CHECK(read_xattrs(fd.get(), "status", "status").empty());
}
