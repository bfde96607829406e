#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "tests/engine/client.h"
#include "tests/engine/in_memory.h"
#include "tests/engine/test_clock.h"
#include "tests/engine/tree_facts.h"
#include "tests/support/stride.h"
#include "tests/support/temp_tree.h"

// What a run leaves behind that was killed, failed or stopped at any call to its repository: whatever
// is published is whole, and the next run completes and restores to the byte.

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

void make_small_tree(TempTree& tree) {
  for (int i = 0; i < 9; ++i) tree.write("d" + std::to_string(i % 3) + "/f" + std::to_string(i), std::to_string(i));
  tree.write("large", std::string(2'100'000, 'x'));
  tree.hardlink("large", "d1/linked");
  tree.write("empty", "");
  tree.symlink("large", "link");
}

/// One state that an interruption is tried on: a repository with one revision of an older tree.
struct Scene {
  Scene() {
    make_small_tree(source);
    client.back_up(place, source.path());
    source.write("d0/f0", "changed");
    source.write("d4/new/file", "new");
    source.write("large-too", std::string(2'200'000, 'y'));
    source.remove("d2");
    before = facts_of(source.path());
  }

  /// What must hold whenever a run was interrupted.
  void check_aftermath() {
    CHECK(defects(place) == Lines{});
    const BackupReport next = client.back_up(place, source.path());
    CHECK(next.published);
    CHECK(next.head.outcome == Outcome::complete);
    CHECK(defects(place) == Lines{});
    const auto target = in_memory<TempDir>();
    restore(place, "latest", target.path());
    CHECK(differences(before, facts_of(target.path())) == Lines{});
  }

  TempTree source = in_memory<TempTree>();
  Place place;
  Client client;
  TreeFacts before;
};

/// Runs `body` in a child; the signal that killed it, or 0 if it returned.
template <typename Body>
int signal_of_child(Body body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    try {
      body();
      ::_exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "the child failed: %s\n", error.what());
      ::_exit(1);
    }
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE((WIFSIGNALED(status) || WEXITSTATUS(status) == 0));
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/// Runs the scene's second backup, to be killed by `hook`; false if it ended before.
bool killed_by(Scene& scene, const FaultBackend::Hook& hook) {
  const int signal = signal_of_child([&] {
    const auto backend = scene.place.connect();
    backend->set_hook(hook);
    scene.client.back_up(*backend, Client::options(scene.source.path()));
  });
  REQUIRE((signal == 0 || signal == SIGKILL));
  return signal != 0;
}

bool killed_at(Scene& scene, std::uint64_t n) {
  return killed_by(scene, kill_at(n));
}

TEST_CASE("killed at any call, a backup leaves a sound repository, and the next one completes") {
  bool killed = true;
  std::uint64_t n = 1;
  for (Stride stride; killed; ++n) {
    if (stride.skips()) continue;
    CAPTURE(n);
    Scene scene;
    killed = killed_at(scene, n);
    CHECK(heads_of(scene.place).size() <= 2);
    scene.check_aftermath();
  }
  CHECK(n > 30);
}

TEST_CASE("killed while it makes the repository, a backup can be repeated") {
  TempTree source;
  make_small_tree(source);
  const TreeFacts before = facts_of(source.path());
  bool killed = true;
  // The many shards are all made alike: every 23rd of them will do.
  Stride stride;
  for (std::uint64_t n = 1; killed; n += n < 20 || n > 260 ? 1 : 23) {
    if (stride.skips()) continue;
    CAPTURE(n);
    Place place;
    Client client;
    killed = signal_of_child([&] {
               const auto backend = place.connect();
               backend->set_hook([n](std::string_view call, const RepoPath& path, std::uint64_t number) {
                 kill_at(n)(call, path, number);
                 if (path.starts_with("writing/")) ::_exit(0);  // made; what follows is another test's
               });
               client.back_up(*backend, Client::options(source.path()));
             }) != 0;
    const BackupReport report = client.back_up(place, source.path());
    CHECK(report.published);
    CHECK(defects(place) == Lines{});
  }
}

TEST_CASE("killed over and over, backups leave nothing but temporaries behind") {
  Scene scene;
  for (std::uint64_t n = 30; n > 5; n -= 5) killed_at(scene, n);
  scene.check_aftermath();
  for (const auto& [path, content] : scene.place.files()) {
    const std::string top = path.substr(0, path.find('/'));
    CAPTURE(path);
    CHECK((top == "objects" || top == "manifests" || top == "tmp" || top == "writing" || top == "reserve" ||
           top == "repository.yaml" || top == "RECOVER.txt" || top == "restore.sh"));
  }
  CHECK(heads_of(scene.place).size() == 2);
}

TEST_CASE("what a killed run has stored is not stored again by the next one") {
  Scene scene;
  REQUIRE(killed_by(scene, [](std::string_view call, const RepoPath& path, std::uint64_t n) {
    if (call == "publish" && path.starts_with("manifests/")) kill_at(n)(call, path, n);
  }));
  const std::size_t objects = scene.place.objects();
  const BackupReport next = scene.client.back_up(scene.place, scene.source.path());
  CHECK(next.head.new_bytes < 2'000'000);  // not the large file
  CHECK(scene.place.objects() - objects <= next.head.new_objects);
}

// --- errors

/// Whether call `n` fails the run with `kind`; false if the run ended before call `n`.
bool failed_at(Scene& scene, std::uint64_t n, ErrorKind kind) {
  const auto backend = scene.place.connect();
  bool met = false, head_is_out = false;
  std::string met_call;
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t number) {
    if (number == n) {
      met = true;
      met_call = std::string(call) + " " + path;
      fail(kind, "fault on demand: {} {}", call, path);
    }
    if (call == "publish" && path.starts_with("manifests/")) head_is_out = true;
  });
  std::optional<ErrorKind> thrown;
  try {
    scene.client.back_up(*backend, Client::options(scene.source.path()));
  } catch (const Error& error) {
    thrown = error.kind();
  }
  if (!met) return false;
  CAPTURE(met_call);
  CHECK(thrown == kind);
  // Between the head's name and the proof that it is durable an error leaves a revision, and says so.
  CHECK(heads_of(scene.place).size() == (head_is_out ? 2u : 1u));
  return true;
}

TEST_CASE("an error at any call ends the run with that error and publishes nothing") {
  const ErrorKind kind = GENERATE(ErrorKind::no_space, ErrorKind::io);
  bool met = true;
  std::uint64_t n = 1;
  for (Stride stride; met; ++n) {
    if (stride.skips()) continue;
    CAPTURE(n);
    Scene scene;
    met = failed_at(scene, n, kind);
    scene.check_aftermath();
  }
  CHECK(n > 30);
}

TEST_CASE("a stop at any call cancels the run or lets it finish, and publishes no half") {
  bool met = true;
  std::size_t cancelled = 0;
  Stride stride;
  for (std::uint64_t n = 1; met; n += 2) {
    if (stride.skips()) continue;
    CAPTURE(n);
    Scene scene;
    const auto backend = scene.place.connect();
    std::stop_source stop;
    met = false;
    backend->set_hook([&](std::string_view, const RepoPath&, std::uint64_t number) {
      if (number != n) return;
      met = true;
      stop.request_stop();
    });
    try {
      scene.client.back_up(*backend, Client::options(scene.source.path()), stop.get_token());
      CHECK(heads_of(scene.place).size() == 2);
    } catch (const Cancelled&) {
      ++cancelled;
      CHECK(heads_of(scene.place).size() == 1);
    }
    scene.check_aftermath();
  }
  CHECK(cancelled * Stride::every() > 5);
}

}  // namespace
}  // namespace reverse
