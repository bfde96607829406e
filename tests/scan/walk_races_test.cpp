#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>

#include "libcore/base/stop.h"
#include "tests/scan/recorder.h"
#include "tests/support/descriptor_limit.h"

using namespace reverse;

namespace {

using Lines = std::vector<std::string>;

/// A chain of directories "d/d/d/…", with a file "z" in each. Removes it again, however deep it is.
class Chain {
 public:
  explicit Chain(int depth) {
    UniqueFd fd = open_file(dir_.path(), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < depth; ++i) {
      REQUIRE(::mkdirat(fd.get(), "d", 0700) == 0);
      fd = UniqueFd(::openat(fd.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      UniqueFd file(::openat(fd.get(), "z", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
      REQUIRE(file);
    }
  }
  ~Chain() {
    UniqueFd fd(::open(dir_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int depth = 0;
    for (int below; (below = ::openat(fd.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0;
         ++depth)
      fd = UniqueFd(below);
    for (; depth > 0; --depth) {
      ::unlinkat(fd.get(), "z", 0);
      fd = UniqueFd(::openat(fd.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      ::unlinkat(fd.get(), "d", AT_REMOVEDIR);
    }
  }

  const std::string& path() const { return dir_.path(); }
  /// "d/d/d" for 3
  static std::string below(int depth) {
    std::string path = "d";
    for (int i = 1; i < depth; ++i) path += "/d";
    return path;
  }

 private:
  TempDir dir_;
};

Lines walk_with(const std::string& source, std::function<void(const SourceEntry&)> at_entry) {
  Recorder recorder;
  recorder.at_entry = std::move(at_entry);
  Filter filter(source);
  walk(source, {}, filter, recorder, {});
  return recorder.lines;
}

int open_descriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++count;
  return count;
}

/// Hands every entry on, directory and all.
class Keeper : public WalkVisitor {
 public:
  std::function<void(SourceEntry)> keep;
  void entry(SourceEntry entry, const std::optional<std::string>& error) override {
    CHECK_FALSE(error);
    keep(std::move(entry));
  }
  void skipped(const std::string& path, SkipReason, const std::string&) override { FAIL(path); }
  void failed(const std::string& path, bool, const std::string&) override { FAIL(path); }
};

void make_flat_tree(const TempDir& dir, int directories) {
  for (int i = 0; i < directories; ++i) put(dir / (std::to_string(1000 + i) + "/f"));
}

}  // namespace

TEST_CASE("three thousand nested directories are walked with few descriptors", "[scan]") {
  constexpr int kDepth = 3000;
  Chain chain(kDepth);
  DescriptorLimit limit(256);
  const int before = open_descriptors();
  int directories = 0, files = 0, most = 0;
  std::string deepest;
  Lines lines = walk_with(chain.path(), [&](const SourceEntry& entry) {
    if (entry.status.type == FileType::directory) {
      ++directories;
      deepest = entry.path;
    } else {
      ++files;
      CHECK(file_status(entry.directory->fd.get(), "z", "z").inode == entry.status.inode);
    }
    if (directories % 500 == 0) most = std::max(most, open_descriptors() - before);
  });
  CHECK(directories == kDepth + 1);
  CHECK(files == kDepth);
  CHECK(deepest == Chain::below(kDepth));
  CHECK(most < 128);
  CHECK(open_descriptors() == before);
}

TEST_CASE("a directory that was closed is found again after its child moved elsewhere", "[scan]") {
  Chain chain(100);
  Lines lines = walk_with(chain.path(), [&](const SourceEntry& entry) {
    if (entry.path != Chain::below(100)) return;
    std::string from = chain.path() + "/" + Chain::below(30);
    REQUIRE(::rename(from.c_str(), (chain.path() + "/moved").c_str()) == 0);
  });
  CHECK(std::ranges::count(lines, Chain::below(29) + "/z") == 1);
  CHECK(std::ranges::count(lines, Chain::below(1) + "/z") == 1);
  CHECK(lines.size() == 201);
  REQUIRE(::rename((chain.path() + "/moved").c_str(),
                   (chain.path() + "/" + Chain::below(30)).c_str()) == 0);
}

TEST_CASE("names of a directory that cannot be found again are reported, the rest is walked",
          "[scan]") {
  Chain chain(100);
  std::string child = chain.path() + "/" + Chain::below(30), moved = chain.path() + "/moved";
  std::string above = chain.path() + "/" + Chain::below(28), away = chain.path() + "/away";
  Lines lines = walk_with(chain.path(), [&](const SourceEntry& entry) {
    if (entry.path != Chain::below(100)) return;
    REQUIRE(::rename(child.c_str(), moved.c_str()) == 0);
    REQUIRE(::rename(above.c_str(), away.c_str()) == 0);
  });
  const std::string why = " its directory was moved away during the walk";
  CHECK(std::ranges::count(lines, Chain::below(30) + "/z") == 1);
  CHECK(std::ranges::count(lines, "fail " + Chain::below(29) + "/z" + why) == 1);
  CHECK(std::ranges::count(lines, "fail " + Chain::below(28) + "/z" + why) == 1);
  CHECK(std::ranges::count(lines, Chain::below(27) + "/z") == 1);
  REQUIRE(::rename(away.c_str(), above.c_str()) == 0);
  REQUIRE(::rename(moved.c_str(), child.c_str()) == 0);
}

TEST_CASE("what vanishes after it was listed is reported as gone", "[scan]") {
  TempDir dir;
  for (const char* path : {"a", "b", "c/x", "d"}) put(dir / path);
  Lines lines = walk_with(dir.path(), [&](const SourceEntry& entry) {
    if (entry.path != "a") return;
    REQUIRE(::unlink((dir / "b").c_str()) == 0);
    REQUIRE(std::filesystem::remove_all(dir / "c") == 2);
  });
  CHECK(lines == Lines{"", "a", "gone b", "gone c", "d"});
}

TEST_CASE("a directory that is replaced before it is looked at is told as it is then", "[scan]") {
  TempDir dir, other;
  for (int i = 0; i < 100; ++i) put(dir / fmt::format("d/{}/old", 100 + i));
  const int replaced[] = {101, 110, 150, 199};  // near ones were read ahead by then
  for (int i : replaced) put(other / fmt::format("{}/new", i));
  Lines expected{"", "d"};
  Lines lines = walk_with(dir.path(), [&](const SourceEntry& entry) {
    if (entry.path != "d/100/old") return;
    for (int i : replaced)
      REQUIRE(::renameat2(AT_FDCWD, (other / std::to_string(i)).c_str(), AT_FDCWD,
                          (dir / fmt::format("d/{}", i)).c_str(), RENAME_EXCHANGE) == 0);
  });
  for (int i = 100; i < 200; ++i) {
    const bool is_new = std::ranges::count(replaced, i) > 0;
    expected.push_back(fmt::format("d/{}", i));
    expected.push_back(fmt::format("d/{}/{}", i, is_new ? "new" : "old"));
  }
  CHECK(lines == expected);
}

TEST_CASE("a directory that is swapped for a symlink is not followed", "[scan]") {
  TempDir dir, outside;
  put(outside / "secret");
  put(dir / "a");
  put(dir / "d/e/x");
  std::string swapped;
  SECTION("before it is looked at") {
    swapped = "a";
  }
  SECTION("right after it was entered") {
    swapped = "d";
  }
  SECTION("while its subdirectory is walked") {
    swapped = "d/e";
  }
  Lines lines = walk_with(dir.path(), [&](const SourceEntry& entry) {
    if (entry.path != swapped) return;
    REQUIRE(::rename((dir / "d").c_str(), (outside / "d").c_str()) == 0);
    REQUIRE(::symlink(outside.path().c_str(), (dir / "d").c_str()) == 0);
  });
  if (swapped == "a")
    CHECK(lines == Lines{"", "a", "d -> " + outside.path()});
  else
    CHECK(lines == Lines{"", "a", "d", "d/e", "d/e/x"});
}

TEST_CASE("swapping a directory and a symlink all the time never leads outside", "[scan]") {
  TempDir dir, outside;
  put(outside / "secret");
  put(dir / "d/inside");
  REQUIRE(::symlink(outside.path().c_str(), (dir / "e").c_str()) == 0);
  std::string d = dir / "d", e = dir / "e";
  std::jthread swapper([&](const std::stop_token& stop) {
    while (!stop.stop_requested())
      ::renameat2(AT_FDCWD, d.c_str(), AT_FDCWD, e.c_str(), RENAME_EXCHANGE);
  });
  for (int i = 0; i < 300; ++i)
    for (const std::string& line : walk_lines(dir.path()))
      if (line.find("secret") != std::string::npos) FAIL(line);
}

TEST_CASE("a visitor may hold back 64 entries, and the walk waits for other threads", "[scan]") {
  TempDir dir;
  make_flat_tree(dir, 500);
  DescriptorLimit limit(256);
  Keeper keeper;
  std::mutex mutex;
  std::condition_variable_any added;
  std::deque<SourceEntry> held, queued;
  const int before = open_descriptors();
  std::atomic<int> taken = 0, most = 0;
  keeper.keep = [&](SourceEntry entry) {
    held.push_back(std::move(entry));
    if (held.size() < 64) return;
    std::lock_guard lock(mutex);
    for (SourceEntry& each : held) queued.push_back(std::move(each));
    held.clear();
    added.notify_all();
  };
  std::jthread reader([&](const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (added.wait(lock, stop, [&] { return !queued.empty(); })) {
      most = std::max(most.load(), open_descriptors() - before);
      SourceEntry entry = std::move(queued.front());
      queued.pop_front();
      ++taken;
    }
  });
  Filter filter(dir.path());
  walk(dir.path(), {}, filter, keeper, {});
  reader.request_stop();
  reader.join();
  CHECK(taken + static_cast<int>(queued.size() + held.size()) == 1001);
  CHECK(most < 160);
}

TEST_CASE("a walk that waits for readers can be stopped", "[scan]") {
  TempDir dir;
  make_flat_tree(dir, 500);
  DescriptorLimit limit(256);
  std::stop_source stop;
  std::atomic<int> kept_count = 0;
  std::vector<SourceEntry> kept;
  Keeper keeper;
  keeper.keep = [&](SourceEntry entry) {
    kept.push_back(std::move(entry));
    ++kept_count;
  };
  std::jthread stopper([&] {
    while (kept_count < 150) std::this_thread::yield();
    stop.request_stop();
  });
  Filter filter(dir.path());
  CHECK_THROWS_AS(walk(dir.path(), {}, filter, keeper, stop.get_token()), Cancelled);
  CHECK(kept.size() < 400);
}

TEST_CASE("entries may outlive the walk with their directories", "[scan]") {
  TempDir dir;
  make_flat_tree(dir, 20);
  std::vector<SourceEntry> kept;
  Keeper keeper;
  keeper.keep = [&](SourceEntry entry) { kept.push_back(std::move(entry)); };
  {
    Filter filter(dir.path());
    walk(dir.path(), {}, filter, keeper, {});
  }
  for (const SourceEntry& entry : kept)
    CHECK(file_status(entry.directory->fd.get(), entry.name(), entry.path).inode ==
          entry.status.inode);
}
