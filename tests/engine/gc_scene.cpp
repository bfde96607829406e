#include "tests/engine/gc_scene.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>

#include "libcore/base/fd.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/layout.h"
#include "libcore/store/marks.h"
#include "libcore/store/small_files.h"
#include "tests/engine/test_clock.h"
#include "tests/support/stride.h"

namespace reverse {

namespace fs = std::filesystem;

GcReport collect(Backend& backend, const GcOptions& options, RecordingObserver* observer) {
  RecordingObserver own;
  return run_gc(Repository::open(backend, true), options, observer != nullptr ? *observer : own,
                {});
}

GcReport collect(const Site& site, const GcOptions& options) {
  return collect(*site.connect(), options);
}

GcOptions at_once() {
  GcOptions options;
  options.grace = std::chrono::seconds(0);
  options.allow = {"mass-gc"};
  return options;
}

namespace {

std::string mark_of(const Place& place, const std::string& revision) {
  return place.path() + "/forgotten/" + revision;
}

}  // namespace

void forget(const Site& site, const std::string& revision) {
  make_marks(*site.connect(), {revision});
}

void unforget(const Place& place, const std::string& revision) {
  REQUIRE(fs::remove(mark_of(place, revision)));
}

bool is_marked(const Place& place, const std::string& revision) {
  return fs::exists(mark_of(place, revision));
}

void age(const Place& place, int hours) {
  std::vector<std::string> paths;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(place.path()))
    paths.push_back(entry.path().string());
  for (const std::string& path : paths) {
    struct stat info;
    REQUIRE(::lstat(path.c_str(), &info) == 0);
    timespec times[2] = {info.st_atim, info.st_mtim};
    times[1].tv_sec -= hours * 3600L;
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
  }
}

std::vector<std::string> files_below(const Place& place, const std::string& directory) {
  std::vector<std::string> files;
  const fs::path root = place.path() + "/" + directory;
  if (!fs::exists(root)) return files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root))
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), root).string());
  std::sort(files.begin(), files.end());
  return files;
}

std::string object_of(const std::string& content) {
  return object_path({hash_bytes(DigestKind::md5, content).digest, std::nullopt});
}

void put_into_trash(const Site& site, const std::string& run, const std::string& content,
                    Trashed how) {
  const auto backend = site.connect();
  const RepoPath directory = "trash/" + run;
  const RepoPath object = object_of(content);
  const RepoPath target = directory + object.substr(object.rfind('/'));
  backend->make_directory("trash");
  backend->make_directory(directory);
  if (how == Trashed::moved) {
    REQUIRE(backend->move(object, target) == MoveResult::done);
    return;
  }
  const std::unique_ptr<Upload> copy = upload_text(*backend, content, 0444);
  const Publication publication{copy.get(), target};
  REQUIRE(backend->publish({&publication, 1}).front() == MoveResult::done);
}

bool has_object(const Place& place, const std::string& content) {
  return fs::exists(place.path() + "/" + object_of(content));
}

void replace_file(const std::string& path, const std::string& content) {
  REQUIRE(fs::remove(path));
  write_file(path, content);
}

template <typename S>
void VersionsAt<S>::write(int version) {
  for (int i = 0; i < 12; ++i)
    source.write("shared/f" + std::to_string(i), "shared " + std::to_string(i));
  for (int i = 0; i < 4; ++i)
    source.write("own/f" + std::to_string(i),
                 "version " + std::to_string(version) + " file " + std::to_string(i));
  source.write("own/large", std::string(70'000, static_cast<char>('a' + version % 26)));
  advance_clock(10);
}

template <typename S>
std::string VersionsAt<S>::back_up(int version) {
  write(version);
  const std::string revision = client.back_up(place, source.path()).head.revision();
  expected[revision] = facts_of(source.path());
  return revision;
}

void check_all_restore(const Site& site, const RevisionTrees& expected) {
  CHECK(defects(site) == std::vector<std::string>{});
  for (const Head& head : heads_of(site)) {
    const std::string revision = head.revision();
    CAPTURE(revision);
    const auto target = in_memory<TempDir>();
    const Restored restored = restore(site, revision, target.path());
    CHECK(restored.report.damaged + restored.report.failed == 0);
    REQUIRE(expected.count(revision) == 1);
    CHECK(differences(expected.at(revision), facts_of(target.path())).empty());
  }
}

void check_clean(const Site& site) {
  const auto backend = site.connect();
  for (const char* directory : {"trash", "forgotten"})
    if (backend->stat(directory)) CHECK(files_of(*backend, directory).empty());
  backend->list("", [](const ListedFile& file) { CHECK_FALSE(file.name.starts_with("writing.")); });
  GcOptions look = at_once();
  look.dry_run = true;
  const GcReport report = collect(*backend, look);
  CHECK(report.live_objects == report.objects);
}

template <typename S>
TrialAt<S>::TrialAt(const VersionsAt<S>& versions)
    : source(versions.source), place(versions.place.copy()), expected(versions.expected) {
  fs::copy(versions.client.cache(), client.cache(), fs::copy_options::recursive);
}

template <typename S>
void TrialAt<S>::back_up() {
  expected[client.back_up(place, source.path()).head.revision()] = facts_of(source.path());
}

void run_killed(const Place& place, std::uint64_t n, const std::function<void(Backend&)>& act) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    try {
      const auto backend = place.connect();
      backend->set_hook(kill_at(n));
      act(*backend);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "the child failed: %s\n", error.what());
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE((WIFSIGNALED(status) || WEXITSTATUS(status) == 0));
}

std::unique_ptr<FaultBackend> run_killed(const Medium& medium, std::uint64_t n,
                                         const std::function<void(Backend&)>& act) {
  auto backend = medium.connect();
  backend->crash_at(n);
  try {
    act(*backend);
  } catch (const Crash&) {
  }
  return backend;
}

template <typename S>
std::vector<std::string> calls_of_gc(const VersionsAt<S>& versions, const GcOptions& options) {
  TrialAt<S> rehearsal(versions);
  const auto backend = rehearsal.place.connect();
  std::vector<std::string> calls;
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    calls.push_back(std::string(call) + " " + path);
  });
  collect(*backend, options);
  return calls;
}

template <typename S>
std::vector<std::uint64_t> moments_of_gc(const VersionsAt<S>& versions, const GcOptions& options,
                                         std::size_t step) {
  const std::vector<std::string> calls = calls_of_gc(versions, options);
  std::vector<std::uint64_t> moments;
  for (std::size_t i = 0; i < calls.size(); ++i)
    if (!calls[i].starts_with("list objects/") || i % 61 == 0) moments.push_back(i + 1);
  std::vector<std::uint64_t> chosen;
  Stride stride;
  for (std::size_t i = 0; i < moments.size(); i += step)
    if (!stride.skips()) chosen.push_back(moments[i]);
  return chosen;
}

template struct VersionsAt<Place>;
template struct VersionsAt<Medium>;
template struct TrialAt<Place>;
template struct TrialAt<Medium>;
template std::vector<std::string> calls_of_gc(const Versions&, const GcOptions&);
template std::vector<std::string> calls_of_gc(const VersionsInMemory&, const GcOptions&);
template std::vector<std::uint64_t> moments_of_gc(const Versions&, const GcOptions&, std::size_t);
template std::vector<std::uint64_t> moments_of_gc(const VersionsInMemory&, const GcOptions&,
                                                  std::size_t);

}  // namespace reverse
