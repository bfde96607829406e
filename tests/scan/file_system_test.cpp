#include "libcore/scan/file_system.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "libcore/base/text.h"
#include "tests/scan/recorder.h"

using namespace reverse;

namespace {

using Lines = std::vector<std::string>;

/// Runs `body` in a child process with mounts of its own and returns its lines; nullopt where that
/// is not allowed.
std::optional<Lines> in_own_mounts(const std::function<Lines()>& body) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int code = 1;
    if (::unshare(CLONE_NEWNS) == 0 &&
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0) {
      try {
        for (const std::string& line : body()) write_full(ends[1], line + "\n", "pipe");
        code = 0;
      } catch (const std::exception& error) {
        write_full(ends[1], error.what(), "pipe");
        code = 0;
      }
    }
    ::_exit(code);
  }
  ::close(ends[1]);
  UniqueFd from(ends[0]);
  std::string text(1 << 16, '\0');
  text.resize(read_full(from.get(), text.data(), text.size(), "pipe"));
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  Lines lines;
  for (std::string_view line : split(text, '\n')) lines.emplace_back(line);
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace

TEST_CASE("file systems are known by their type's name", "[scan]") {
  auto [type, kind] = GENERATE(table<std::string, MountKind>({
      {"ext4", MountKind::disk},
      {"btrfs", MountKind::disk},
      {"vfat", MountKind::disk},
      {"fuseblk", MountKind::disk},
      {"something new", MountKind::disk},
      {"proc", MountKind::pseudo},
      {"cgroup2", MountKind::pseudo},
      {"autofs", MountKind::pseudo},
      {"tmpfs", MountKind::memory},
      {"devtmpfs", MountKind::memory},
      {"overlay", MountKind::overlay},
      {"nfs4", MountKind::network},
      {"cifs", MountKind::network},
      {"9p", MountKind::network},
      {"fuse", MountKind::fuse},
      {"fuse.sshfs", MountKind::fuse},
  }));
  CAPTURE(type);
  CHECK(mount_kind_of_type(type) == kind);
}

TEST_CASE("an open directory's file system is found in the mount table", "[scan]") {
  FileSystemInfo proc = file_system_of(open_file("/proc/self", O_PATH).get());
  CHECK(proc.type == "proc");
  CHECK(proc.kind == MountKind::pseudo);
  TempDir dir;
  FileSystemInfo here = file_system_of(open_file(dir.path(), O_RDONLY | O_DIRECTORY).get());
  CHECK(here.type != "unknown");
  CHECK(here.type.find("0x") != 0);
}

TEST_CASE("a file system that cannot be asked counts as a disk", "[scan]") {
  FileSystemInfo info = file_system_of(-1);
  CHECK(info.type == "unknown");
  CHECK(info.kind == MountKind::disk);
}

TEST_CASE("mounts below the source are left empty or crossed by their kind", "[scan][root]") {
  TempDir dir;
  for (const char* name : {"bound", "plain", "proc", "tmp"}) make_directories(dir / name);
  put(dir / "plain/x");
  auto walked = [&](const WalkOptions& options) {
    return in_own_mounts([&] {
      if (::mount("t", (dir / "tmp").c_str(), "tmpfs", 0, nullptr) != 0 ||
          ::mount("p", (dir / "proc").c_str(), "proc", 0, nullptr) != 0 ||
          ::mount((dir / "plain").c_str(), (dir / "bound").c_str(), nullptr, MS_BIND, nullptr) != 0)
        throw_errno(errno, "mount");
      put(dir / "tmp/in-memory");
      return walk_lines(dir.path(), options);
    });
  };
  WalkOptions options;
  std::optional<Lines> lines = walked(options);
  if (!lines) {
    WARN("skipped: no mounts allowed here");
    return;
  }
  CHECK(*lines == Lines{"", "bound", "bound/x", "plain", "plain/x", "proc", "skip proc mount proc",
                        "tmp", "skip tmp mount tmpfs"});

  options.cross = {MountKind::memory};
  CHECK(walked(options) == Lines{"", "bound", "bound/x", "plain", "plain/x", "proc",
                                 "skip proc mount proc", "tmp", "tmp/in-memory"});

  options.one_file_system = true;
  CHECK(walked(options) == Lines{"", "bound", "bound/x", "plain", "plain/x", "proc",
                                 "skip proc other_file_system proc", "tmp",
                                 "skip tmp other_file_system tmpfs"});

  options.one_file_system = false;
  options.cross = {};
  options.only = {"tmp/in-memory", "plain"};
  CHECK(walked(options) == Lines{"", "plain", "plain/x", "tmp", "skip tmp mount tmpfs",
                                 "fail tmp/in-memory lies on a file system that is left out"});
}

TEST_CASE("a source that itself lies in memory is walked", "[scan][root]") {
  TempDir dir;
  std::optional<Lines> lines = in_own_mounts([&] {
    if (::mount("t", dir.path().c_str(), "tmpfs", 0, nullptr) != 0) throw_errno(errno, "mount");
    put(dir / "d/x");
    FileSystemInfo info = file_system_of(open_file(dir.path(), O_RDONLY).get());
    Lines all = walk_lines(dir.path());
    all.push_back(info.type);
    all.push_back(info.kind == MountKind::memory && info.stable_identity ? "as memory" : "wrong");
    return all;
  });
  if (!lines) {
    WARN("skipped: no mounts allowed here");
    return;
  }
  CHECK(*lines == Lines{"", "d", "d/x", "tmpfs", "as memory"});
}

TEST_CASE("an overlay below the source is left empty", "[scan][root]") {
  TempDir dir;
  for (const char* name : {"s/over", "lower", "upper", "work"}) make_directories(dir / name);
  put(dir / "lower/x");
  std::optional<Lines> lines = in_own_mounts([&]() -> Lines {
    std::string data =
        fmt::format("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work", dir.path());
    if (::mount("o", (dir / "s/over").c_str(), "overlay", 0, data.c_str()) != 0)
      return {"no overlays"};
    return walk_lines(dir / "s");
  });
  if (!lines || lines->front() == "no overlays") {
    WARN("skipped: no overlay mounts here");
    return;
  }
  CHECK(*lines == Lines{"", "over", "skip over mount overlay"});
}
