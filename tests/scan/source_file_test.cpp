#include "libcore/scan/source_file.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "libcore/base/error.h"
#include "tests/scan/recorder.h"

using namespace reverse;

namespace {

SourceEntry entry_of(const TempDir& dir, const std::string& name) {
  SourceEntry entry;
  entry.path = name;
  entry.directory = std::make_shared<SourceDirectory>(
      SourceDirectory{open_file(dir.path(), O_RDONLY | O_DIRECTORY), dir.path()});
  entry.status = file_status(entry.directory->fd.get(), name, name);
  return entry;
}

std::string drain(SourceFile& file) {
  std::string all;
  for (ByteView chunk = file.next(); !chunk.empty(); chunk = file.next()) all += chunk;
  return all;
}

std::string pattern_of(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 + i / 251 + 1);
  return bytes;
}

void append(const std::string& path, std::string_view bytes) {
  UniqueFd fd = open_file(path, O_WRONLY | O_APPEND);
  write_full(fd.get(), bytes, path);
}

ErrorKind kind_of_opening(const SourceEntry& entry) {
  try {
    SourceFile file(entry);
  } catch (const Error& error) {
    CHECK_THAT(error.what(), Catch::Contains(entry.directory->path + "/" + entry.name()));
    return error.kind();
  }
  FAIL("opened");
  return ErrorKind::internal;
}

}  // namespace

TEST_CASE("a quiet file is delivered whole and counts as unchanged", "[scan]") {
  TempDir dir;
  for (std::size_t size : {0, 1, 4096, 262143, 262144, 262145, 524288, 700001})
    put(dir / std::to_string(size), pattern_of(size));
  settle();
  for (std::size_t size : {0, 1, 4096, 262143, 262144, 262145, 524288, 700001}) {
    CAPTURE(size);
    SourceFile file(entry_of(dir, std::to_string(size)));
    CHECK(drain(file) == pattern_of(size));
    CHECK(file.next().empty());
    CHECK_FALSE(file.changed());
    CHECK(file.closed().size == size);
  }
}

TEST_CASE("a file that grows, shrinks or is rewritten while it is read is changed", "[scan]") {
  TempDir dir;
  std::string path = dir / "f";
  put(path, pattern_of(700000));
  settle();
  SourceFile file(entry_of(dir, "f"));
  file.next();
  SECTION("grows") {
    append(path, "more");
  }
  SECTION("shrinks") {
    REQUIRE(::truncate(path.c_str(), 300000) == 0);
  }
  SECTION("is rewritten with the same size") {
    write_file(path, pattern_of(700000));
  }
  drain(file);
  CHECK(file.changed());
}

TEST_CASE("a file that grows after it was opened is delivered up to its new end", "[scan]") {
  TempDir dir;
  put(dir / "f", "old");
  settle();
  SourceFile file(entry_of(dir, "f"));
  append(dir / "f", pattern_of(400000));
  CHECK(drain(file) == "old" + pattern_of(400000));
  CHECK(file.changed());
}

TEST_CASE("a same-size edit that puts the time of modification back is changed", "[scan]") {
  TempDir dir;
  std::string path = dir / "f";
  put(path, "before");
  settle();
  SourceFile file(entry_of(dir, "f"));
  drain(file);
  put(path, "after!");
  timespec times[2] = {{0, UTIME_OMIT}, to_timespec(file.opened().mtime)};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  CHECK(file.changed());
  CHECK_FALSE(file.changed(false));  // without a trustworthy ctime it cannot be told
}

TEST_CASE("a write within a clock tick of the reading makes the reading suspect, once", "[scan]") {
  TempDir dir;
  put(dir / "f", "fresh");
  SourceFile file(entry_of(dir, "f"));
  drain(file);
  CHECK(file.changed());
  CHECK_FALSE(file.changed(false));
  settle();
  file.rewind();
  CHECK(drain(file) == "fresh");
  CHECK_FALSE(file.changed());
}

TEST_CASE("rewinding takes the file as it is by then", "[scan]") {
  TempDir dir;
  put(dir / "f", "one");
  settle();
  SourceFile file(entry_of(dir, "f"));
  drain(file);
  append(dir / "f", " and two");
  CHECK(file.changed());
  settle();
  file.rewind();
  CHECK(file.opened().size == 11);
  CHECK(drain(file) == "one and two");
  CHECK_FALSE(file.changed());
}

TEST_CASE("not reading to the end counts as changed", "[scan]") {
  TempDir dir;
  put(dir / "f", pattern_of(700000));
  settle();
  SourceFile file(entry_of(dir, "f"));
  file.next();
  CHECK(file.changed());
}

TEST_CASE("holes are delivered as such and data between them in its place", "[scan]") {
  TempDir dir;
  std::string path = dir / "sparse", expected(5 << 20, '\0');
  {
    UniqueFd fd = open_file(path, O_WRONLY | O_CREAT, 0644);
    REQUIRE(::ftruncate(fd.get(), 5 << 20) == 0);
    for (std::size_t at : {std::size_t{1} << 20, std::size_t{3} << 20}) {
      std::string data = pattern_of(65536);
      REQUIRE(::pwrite(fd.get(), data.data(), data.size(), static_cast<off_t>(at)) == 65536);
      expected.replace(at, data.size(), data);
    }
  }
  settle();
  SourceEntry entry = entry_of(dir, "sparse");
  if (!entry.status.sparse()) {
    WARN("skipped: no sparse files on the file system of " << dir.path());
    return;
  }
  SourceFile file(entry);
  std::string all;
  std::size_t holes = 0;
  for (ByteView chunk = file.next(); !chunk.empty(); chunk = file.next()) {
    all += chunk;
    if (is_hole(chunk)) holes += chunk.size();
  }
  CHECK(all == expected);
  CHECK(holes >= (4u << 20));
  CHECK_FALSE(file.changed());
}

TEST_CASE("a sparse file of a terabyte costs no reading", "[scan]") {
  TempDir dir;
  constexpr std::uint64_t kSize = std::uint64_t{1} << 40;
  {
    UniqueFd fd = open_file(dir / "huge", O_WRONLY | O_CREAT, 0644);
    if (::ftruncate(fd.get(), static_cast<off_t>(kSize)) != 0 ||
        ::pwrite(fd.get(), "end", 3, static_cast<off_t>(kSize - 3)) != 3) {
      WARN("skipped: no files of a terabyte on the file system of " << dir.path());
      return;
    }
  }
  settle();
  SourceFile file(entry_of(dir, "huge"));
  std::uint64_t total = 0, data = 0;
  std::string last;
  for (ByteView chunk = file.next(); !chunk.empty(); chunk = file.next()) {
    total += chunk.size();
    if (!is_hole(chunk)) data += chunk.size();
    last = chunk.substr(chunk.size() - std::min<std::size_t>(3, chunk.size()));
  }
  CHECK(total == kSize);
  CHECK(data < (1u << 20));
  CHECK(last == "end");
  CHECK_FALSE(file.changed());
}

TEST_CASE("what is no longer the walked file is not read", "[scan]") {
  TempDir dir;
  std::string path = dir / "f";
  put(path, "walked");
  put(dir / "other", "another");
  SourceEntry entry = entry_of(dir, "f");
  SECTION("another file") {
    REQUIRE(::rename((dir / "other").c_str(), path.c_str()) == 0);
    CHECK(kind_of_opening(entry) == ErrorKind::changed);
  }
  SECTION("a symlink") {
    REQUIRE(::unlink(path.c_str()) == 0);
    REQUIRE(::symlink("other", path.c_str()) == 0);
    CHECK(kind_of_opening(entry) == ErrorKind::changed);
  }
  SECTION("a pipe, which must not be waited for") {
    REQUIRE(::unlink(path.c_str()) == 0);
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK(kind_of_opening(entry) == ErrorKind::changed);
  }
  SECTION("a directory") {
    REQUIRE(::unlink(path.c_str()) == 0);
    REQUIRE(::mkdir(path.c_str(), 0700) == 0);
    CHECK(kind_of_opening(entry) == ErrorKind::changed);
  }
  SECTION("nothing") {
    REQUIRE(::unlink(path.c_str()) == 0);
    CHECK(kind_of_opening(entry) == ErrorKind::not_found);
  }
}

TEST_CASE("a file that may not be read is an error that names it", "[scan]") {
  if (::geteuid() == 0) {
    WARN("skipped: root may read everything");
    return;
  }
  TempDir dir;
  put(dir / "secret");
  REQUIRE(::chmod((dir / "secret").c_str(), 0) == 0);
  CHECK(kind_of_opening(entry_of(dir, "secret")) == ErrorKind::permission);
}
