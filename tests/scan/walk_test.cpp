#include "libcore/scan/walk.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "tests/scan/recorder.h"

using namespace reverse;

namespace {

using Lines = std::vector<std::string>;

/// The format's order of paths: '/' counts as byte 0.
std::string order_key(std::string path) {
  std::replace(path.begin(), path.end(), '/', '\0');
  return path;
}

ErrorKind kind_of_walking(const std::string& source) {
  try {
    walk_lines(source);
  } catch (const Error& error) {
    CHECK_THAT(error.what(), Catch::Contains(source));
    return error.kind();
  }
  FAIL("walked");
  return ErrorKind::internal;
}

}  // namespace

TEST_CASE("names come in the format's order, whatever bytes they hold", "[scan]") {
  TempDir dir;
  Lines expected = {""};
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/') continue;
    std::string name(1, static_cast<char>(byte));
    for (const std::string& path : {"n" + name, "n" + name + "x", "eight-bytes" + name}) {
      put(dir / path);
      expected.push_back(path);
    }
  }
  for (const char* path :
       {"d/x", "d!/x", "d!/a/b", "d/a/b", "d0/x", "d\n/x", "d\xff\xfe/x", "-rf"}) {
    put(dir / path);
    std::string prefix = path;
    for (; prefix.find('/') != std::string::npos; prefix.resize(prefix.rfind('/')))
      expected.push_back(prefix);
    expected.push_back(prefix);
  }
  for (char end : {'a', 'b'}) {
    put(dir / (std::string(254, 'm') + end));
    expected.push_back(std::string(254, 'm') + end);
  }
  std::ranges::sort(expected, {}, order_key);
  expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
  CHECK(walk_lines(dir.path()) == expected);
}

TEST_CASE("a random tree comes in the format's order", "[scan]") {
  TempDir dir;
  std::mt19937 random(4711);
  const Lines parts = {"a", "a!", "a0", "b", "b b", "b\xc3\xa4", "\x01", "z-1", "z.1"};
  Lines expected = {""};
  for (int i = 0; i < 400; ++i) {
    std::string path;
    for (unsigned depth = random() % 5; depth < 5; ++depth) {
      path += (path.empty() ? "" : "/") + parts[random() % parts.size()];
      expected.push_back(path);
    }
    make_directories(dir / path);
  }
  std::ranges::sort(expected, {}, order_key);
  expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
  CHECK(walk_lines(dir.path()) == expected);
}

TEST_CASE("directories come in order and whole however many there are and lie ahead", "[scan]") {
  TempDir dir;
  Lines expected{""};
  const auto tell = [&](const std::string& path) { expected.push_back(path); };
  for (const char* top : {"a", "b", "left out", "z"}) {
    const bool is_told = std::string_view(top) != "left out";
    if (is_told) tell(top);
    for (int i = 100; i < 120; ++i) {
      const std::string directory = fmt::format("{}/{}", top, i);
      if (is_told) tell(directory);
      // One is larger than what is read ahead, one is empty.
      const int files = i == 105 && *top == 'b' ? 600 : i == 110 ? 0 : 2;
      make_directories(dir / directory + "/sub");
      for (int j = 0; j < files; ++j) {
        put(dir / fmt::format("{}/{}", directory, 10000 + j));
        if (is_told) tell(fmt::format("{}/{}", directory, 10000 + j));
      }
      if (is_told) tell(directory + "/sub");
    }
  }
  expected.insert(std::ranges::find(expected, "z"), "skip left out excluded pattern");
  CHECK(walk_lines(dir.path(), {}, {"/left out"}) == expected);
}

TEST_CASE("every type of file is an entry and none of them is opened", "[scan]") {
  TempDir dir;
  put(dir / "file", "123");
  REQUIRE(::mkfifo((dir / "pipe").c_str(), 0640) == 0);
  REQUIRE(::symlink("nowhere\n", (dir / "link").c_str()) == 0);
  REQUIRE(::symlink("..", (dir / "loop").c_str()) == 0);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{AF_UNIX, {}};
  std::string path = dir / "socket";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);

  std::vector<std::pair<std::string, FileType>> types;
  Recorder recorder;
  recorder.at_entry = [&](const SourceEntry& e) { types.emplace_back(e.path, e.status.type); };
  Filter filter(dir.path());
  walk(dir.path(), {}, filter, recorder, {});
  CHECK(types == decltype(types){{"", FileType::directory},
                                 {"file", FileType::file},
                                 {"link", FileType::symlink},
                                 {"loop", FileType::symlink},
                                 {"pipe", FileType::fifo},
                                 {"socket", FileType::socket}});
  CHECK(recorder.lines == Lines{"", "file", "link -> nowhere\n", "loop -> ..", "pipe", "socket"});
}

TEST_CASE("a long symlink target is not cut off", "[scan]") {
  TempDir dir;
  std::string target(4000, 't');
  REQUIRE(::symlink(target.c_str(), (dir / "l").c_str()) == 0);
  CHECK(walk_lines(dir.path()) == Lines{"", "l -> " + target});
}

TEST_CASE("every entry names the directory that holds it", "[scan]") {
  TempDir dir;
  put(dir / "a/b/c", "content");
  Recorder recorder;
  recorder.at_entry = [](const SourceEntry& entry) {
    FileStatus again = file_status(entry.directory->fd.get(), entry.name(), entry.path);
    CHECK(again.inode == entry.status.inode);
  };
  std::string where;
  auto check = recorder.at_entry;
  recorder.at_entry = [&](const SourceEntry& entry) {
    check(entry);
    if (entry.path == "a/b/c") where = entry.directory->path;
  };
  Filter filter(dir.path());
  walk(dir.path(), {}, filter, recorder, {});
  CHECK(where == dir / "a/b");
}

TEST_CASE("a source that is a symlink is followed", "[scan]") {
  TempDir dir;
  put(dir / "real/x");
  REQUIRE(::symlink("real", (dir / "way").c_str()) == 0);
  CHECK(walk_lines(dir / "way") == Lines{"", "x"});
}

TEST_CASE("a source that cannot be walked is an error", "[scan]") {
  TempDir dir;
  put(dir / "file");
  CHECK(kind_of_walking(dir / "none") == ErrorKind::not_found);
  CHECK(kind_of_walking(dir / "file") == ErrorKind::not_found);
  if (::geteuid() != 0) {
    REQUIRE(::mkdir((dir / "closed").c_str(), 0) == 0);
    CHECK(kind_of_walking(dir / "closed") == ErrorKind::permission);
    ::chmod((dir / "closed").c_str(), 0700);  // lets it be removed
  }
}

TEST_CASE("an unreadable directory is an entry with its error", "[scan]") {
  if (::geteuid() == 0) {
    WARN("skipped: root may read everything");
    return;
  }
  TempDir dir;
  put(dir / "a/x");
  put(dir / "b/x");
  put(dir / "c/x");
  REQUIRE(::chmod((dir / "a").c_str(), 0) == 0);
  REQUIRE(::chmod((dir / "b").c_str(), 0400) == 0);  // lists, but nothing in it can be examined
  Lines lines = walk_lines(dir.path());
  ::chmod((dir / "a").c_str(), 0700);
  ::chmod((dir / "b").c_str(), 0700);
  CHECK(lines == Lines{"", "a !Permission denied", "b", "fail b/x Permission denied", "c", "c/x"});
}

TEST_CASE("excluded directories are not entered", "[scan]") {
  TempDir dir;
  for (const char* path : {"a/keep", "a/x.o", "cache/deep/y", "joe/cache/z", "x.o"})
    put(dir / path);
  CHECK(walk_lines(dir.path(), {}, {"*.o", "/cache", dir / "joe/cache"}) ==
        Lines{"", "a", "a/keep", "skip a/x.o excluded pattern", "skip cache excluded pattern",
              "joe", "skip joe/cache excluded pattern", "skip x.o excluded pattern"});
}

TEST_CASE("an excluded name causes no error even if it cannot be examined", "[scan]") {
  if (::geteuid() == 0) {
    WARN("skipped: root may read everything");
    return;
  }
  TempDir dir;
  put(dir / "d/x");
  REQUIRE(::chmod((dir / "d").c_str(), 0400) == 0);
  Lines lines = walk_lines(dir.path(), {}, {"x"});
  ::chmod((dir / "d").c_str(), 0700);
  CHECK(lines == Lines{"", "d", "skip d/x excluded pattern"});
}

TEST_CASE("files above a size are left out", "[scan]") {
  TempDir dir;
  put(dir / "exact", std::string(100, 'x'));
  put(dir / "more", std::string(101, 'x'));
  WalkOptions options;
  options.exclude_larger_than = 100;
  CHECK(walk_lines(dir.path(), options) == Lines{"", "exact", "skip more excluded size"});
}

TEST_CASE("a tagged directory keeps only its tag file", "[scan]") {
  TempDir dir;
  const std::string signature = "Signature: 8a477f597d28d172789f06886806bc55";
  put(dir / "a/CACHEDIR.TAG", signature + "\n# made by a test");
  put(dir / "a/0");
  put(dir / "a/x/y");
  put(dir / "b/CACHEDIR.TAG", "something else");
  put(dir / "b/x");
  put(dir / "c/.nobackup", "");
  put(dir / "c/x");
  put(dir / "d/.skip", "yes, do");
  put(dir / "d/x");
  put(dir / "e/.skip", "no");
  put(dir / "f/CACHEDIR.TAG/x");
  WalkOptions options;
  SECTION("caches, by their signature") {
    options.exclude_caches = true;
    CHECK(walk_lines(dir.path(), options) ==
          Lines{"", "a", "skip a tag CACHEDIR.TAG", "a/CACHEDIR.TAG", "b", "b/CACHEDIR.TAG", "b/x",
                "c", "c/.nobackup", "c/x", "d", "d/.skip", "d/x", "e", "e/.skip", "f",
                "f/CACHEDIR.TAG", "f/CACHEDIR.TAG/x"});
  }
  SECTION("files of a name, with or without a header") {
    options.exclude_if_present = {".nobackup", ".skip:yes"};
    CHECK(walk_lines(dir.path(), options) == Lines{"",
                                                   "a",
                                                   "a/0",
                                                   "a/CACHEDIR.TAG",
                                                   "a/x",
                                                   "a/x/y",
                                                   "b",
                                                   "b/CACHEDIR.TAG",
                                                   "b/x",
                                                   "c",
                                                   "skip c tag .nobackup",
                                                   "c/.nobackup",
                                                   "d",
                                                   "skip d tag .skip",
                                                   "d/.skip",
                                                   "e",
                                                   "e/.skip",
                                                   "f",
                                                   "f/CACHEDIR.TAG",
                                                   "f/CACHEDIR.TAG/x"});
  }
  SECTION("no tag at all is a usage error") {
    options.exclude_if_present = {":header"};
    CHECK_THROWS_AS(walk_lines(dir.path(), options), Error);
  }
}

TEST_CASE("a nested repository is one entry", "[scan]") {
  TempDir dir;
  for (const char* path :
       {"r/repository.yaml", "r/objects/x", "s/repository.yaml", "s/y", "repository.yaml"})
    put(dir / path);
  WalkOptions options;
  Lines asked;
  options.is_repository = [&](const SourceEntry& entry, int fd) {
    asked.push_back(entry.path);
    CHECK(file_status(fd, "", "").inode == entry.status.inode);
    return entry.path == "r";
  };
  FileType type = FileType::file;
  Recorder recorder;
  recorder.at_entry = [&](const SourceEntry& entry) {
    if (entry.path == "r") type = entry.status.type;
  };
  Filter filter(dir.path());
  walk(dir.path(), options, filter, recorder, {});
  CHECK(recorder.lines ==
        Lines{"", "r", "skip r repository ", "repository.yaml", "s", "s/repository.yaml", "s/y"});
  CHECK(asked == Lines{"r", "s"});
  CHECK(type == FileType::repository);
}

TEST_CASE("omitted directories have no entry", "[scan]") {
  TempDir dir;
  put(dir / "a/repo/x");
  put(dir / "b");
  FileStatus repo = file_status(AT_FDCWD, dir / "a/repo", "repo");
  WalkOptions options;
  options.omit = {{repo.device, repo.inode}};
  CHECK(walk_lines(dir.path(), options) == Lines{"", "a", "skip a/repo omitted ", "b"});
}

TEST_CASE("listed paths are walked alone, directories whole, with their parents", "[scan]") {
  TempDir dir;
  for (const char* path : {"a/b/c/x", "a/b/y", "a/z", "a!/x", "file", "other"}) put(dir / path);
  WalkOptions options;
  options.only = {"file", "./a//b/c/", "a/b", "a!/x"};
  CHECK(walk_lines(dir.path(), options, {"b", "file", "y"}) ==
        Lines{"", "a", "a/b", "a/b/c", "a/b/c/x", "skip a/b/y excluded pattern", "a!", "a!/x",
              "file"});
  options.only = {"."};
  CHECK(walk_lines(dir.path(), options) == walk_lines(dir.path()));
  options.only = std::vector<std::string>{};
  CHECK(walk_lines(dir.path(), options) == Lines{""});
}

TEST_CASE("a listed path that cannot be had is reported", "[scan]") {
  TempDir dir;
  put(dir / "a/x");
  put(dir / "file");
  put(dir / "outside/secret");
  REQUIRE(::symlink("outside", (dir / "link").c_str()) == 0);
  WalkOptions options;
  options.only = {"none",   "gone/1",      "gone/2/3", "a/none",
                  "file/x", "link/secret", "../up",    "a/../file"};
  CHECK(walk_lines(dir.path(), options) ==
        Lines{"", "a", "fail a/none No such file or directory", "fail file/x Not a directory",
              "fail gone/1 No such file or directory", "fail gone/2/3 No such file or directory",
              "fail link/secret Not a directory", "fail none No such file or directory",
              "fail ../up leads out of the source", "fail a/../file leads out of the source"});
}

TEST_CASE("a listed path below a directory that may be searched but not read is found", "[scan]") {
  if (::geteuid() == 0) {
    WARN("skipped: root may read everything");
    return;
  }
  TempDir dir;
  put(dir / "a/b/x");
  REQUIRE(::chmod((dir / "a").c_str(), 0100) == 0);
  WalkOptions options;
  options.only = {"a/b"};
  Lines lines = walk_lines(dir.path(), options);
  ::chmod((dir / "a").c_str(), 0700);
  CHECK(lines == Lines{"", "a", "a/b", "a/b/x"});
}
