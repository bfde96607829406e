#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <random>
#include <thread>

#include "libcore/hash/hasher.h"
#include "tests/engine/sync_scene.h"
#include "tests/engine/verify_scene.h"

// Verification in parts, in bounded time, killed, and beside others.

namespace reverse {
namespace {

using Names = std::set<std::string>;
using Scene = VersionsOfPages;

}  // namespace

TEST_CASE("the parts of a repository together are all of it, and none twice", "[verify]") {
  const Scene scene;
  std::uint64_t sum = 0;
  for (std::uint64_t part = 1; part <= 3; ++part) {
    VerifyOptions options;
    options.part = part;
    options.parts = 3;
    const Verified verified = verify(scene.place, options);
    CHECK(verified.report.objects_verified > 0);
    CHECK(verified.report.never_verified ==
          scene.place.objects() - verified.report.objects_verified);
    sum += verified.report.objects_verified;
  }
  CHECK(sum == scene.place.objects());
}

TEST_CASE("without time nothing is read, and what was never read is told", "[verify]") {
  const Scene scene;
  VerifyOptions options;
  options.max_duration = std::chrono::seconds(0);
  const TempDir memory;
  const Verified verified = verify(scene.place, options, memory.path());
  CHECK(verified.report.objects_verified == 0);
  CHECK(verified.report.never_verified == scene.place.objects());
  CHECK_FALSE(verified.report.oldest_verified);
  CHECK_FALSE(verified.report.is_damaged());
}

TEST_CASE("what was never verified is read first, then what was verified longest ago", "[verify]") {
  const Scene scene;
  const TempDir memory;
  const std::string id = Repository::open(*scene.place.connect(), false).info().id;
  const auto objects = objects_of(scene.place);
  const auto digest = [](const std::string& path) { return *Digest::parse(base_name(path)); };
  std::map<std::string, std::int64_t> verified_at;
  {
    const auto set = VerifiedSet::open(memory.path(), id, [](const std::string&) {});
    std::mt19937_64 random(5);
    for (const std::string& path : objects)
      if (random() % 8 != 0) {
        verified_at[path] = 1'390'000'000 + static_cast<std::int64_t>(random() % 100) * 86'400;
        set->note(digest(path).bytes(), verified_at[path]);
      }
    set->note(hash_bytes(DigestKind::md5, "gone").digest.bytes(), 1);
    set->save();
  }
  const auto backend = scene.place.connect();
  std::vector<std::string> order;
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call == "list") order.clear();  // pages were read before
    if (call == "read") order.push_back(scene.place.path() + "/" + path);
  });
  struct OneReader : ReadingProver {
    using ReadingProver::ReadingProver;
    unsigned threads() const override { return 1; }
  } prover(*backend, DigestKind::md5);
  const Repository repository = Repository::open(*backend, false);
  const auto set = VerifiedSet::open(memory.path(), id, [](const std::string&) {});
  RecordingObserver observer;
  const VerifyReport report =
      run_verify({repository, prover, set.get(), observer, {}, [](const Damage&) {}}, {});
  CHECK(report.oldest_verified >= Timestamp{1'600'000'000, 0});
  CHECK(report.never_verified == 0);
  REQUIRE(order.size() == objects.size());
  std::int64_t last = 0;
  for (const std::string& path : order) {
    const std::int64_t time = verified_at.count(path) > 0 ? verified_at[path] : 0;
    CHECK(time >= last);
    last = time;
  }
  std::size_t remembered = 0;
  for (unsigned shard = 0; shard < 256; ++shard)
    set->visit_shard(shard, [&](std::string_view, std::int64_t time) {
      ++remembered;
      CHECK(time > 1'600'000'000);
    });
  CHECK(remembered == objects.size());
}

TEST_CASE("damaged objects are due again next time", "[verify]") {
  Scene scene;
  const TempDir memory;
  flip_bit(scene.place.path() + "/" + object_of("shared 1"), 5);
  verify(scene.place, {}, memory.path());
  VerifyOptions options;
  options.max_duration = std::chrono::seconds(0);
  CHECK(verify(scene.place, options, memory.path()).report.never_verified == 1);
}

TEST_CASE("killed at any call, verification has harmed nothing and can be run again", "[verify]") {
  const Scene scene;
  const TempDir memory;
  const auto before = scene.place.files();
  const auto counting = scene.place.connect();
  verify(*counting);
  for (std::uint64_t n = 5; n < counting->calls(); n += 83) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        const auto backend = scene.place.connect();
        backend->set_hook(kill_at(n));
        verify(*backend, {}, memory.path());
      } catch (const std::exception& error) {
        std::fprintf(stderr, "the child failed: %s\n", error.what());
      }
      ::_exit(1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
  }
  CHECK(scene.place.files() == before);
  const Verified verified = verify(scene.place, {}, memory.path());
  CHECK(verified.report.objects_verified == scene.place.objects());
  CHECK(verified.observer->warnings.empty());
}

TEST_CASE("what a killed verification has proven is remembered, and not done again first",
          "[verify]") {
  const Scene scene;
  const TempDir memory;
  struct Dying : ReadingProver {
    using ReadingProver::ReadingProver;
    unsigned threads() const override { return 1; }
    ProofBatch batch() const override { return {.objects = 8, .bytes = 1 << 30, .heaviest = 8}; }
    void prove(std::span<const ProofTask> tasks, std::span<Proof> proofs, Progress& progress,
               const std::stop_token& stop) override {
      if (++batches == 16) ::kill(::getpid(), SIGKILL);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      ReadingProver::prove(tasks, proofs, progress, stop);
    }
    int batches = 0;
  };
  std::fflush(nullptr);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const auto backend = scene.place.connect();
    const Repository repository = Repository::open(*backend, false);
    Dying prover(*backend, DigestKind::md5);
    RecordingObserver observer;
    const auto set =
        VerifiedSet::open(memory.path(), repository.info().id, [](const std::string&) {});
    run_verify({repository, prover, set.get(), observer, {}, [](const Damage&) {}, {}}, {});
    ::_exit(1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  VerifyOptions options;
  options.max_duration = std::chrono::seconds(0);
  const VerifyReport left = verify(scene.place, options, memory.path()).report;
  CHECK(left.never_verified <= scene.place.objects() - 64);
  CHECK(left.never_verified >= scene.place.objects() - 15 * 8);
  CHECK(left.oldest_verified);
  CHECK(verify(scene.place, {}, memory.path()).report.objects_verified == scene.place.objects());
}

TEST_CASE("backups, gc and syncs at any moment of a verification make no damage", "[verify]") {
  Scene scene;
  const Place other;
  Client machine;
  TempTree theirs;
  theirs.write("theirs", "comes by sync");
  machine.back_up(other, theirs.path());
  for (std::uint64_t n = 3; n < 800; n += 97) {
    CAPTURE(n);
    Trial trial(scene);
    const auto backend = trial.place.connect();
    backend->set_hook([&](std::string_view, const RepoPath&, std::uint64_t call) {
      if (call != n) return;
      scene.source.write("new", "written at call " + std::to_string(n));
      trial.back_up();
      forget(trial.place, heads_of(trial.place)[0].revision());
      collect(trial.place, at_once());
      CHECK(sync(other, trial.place, machine).report.copied == 1);
    });
    const Verified verified = verify(*backend);
    CHECK(verified.kinds() == Names{});
    CHECK(verified.report.not_verified == 0);
    CHECK(verify(trial.place).report.objects_verified == trial.place.objects());
  }
}

TEST_CASE("an error of the way to the repository ends verification, and is no damage", "[verify]") {
  const Scene scene;
  for (const char* call : {"list", "read", "stat"})
    for (std::uint64_t nth : {1, 4}) {
      const auto backend = scene.place.connect();
      backend->queue_fault(call, ErrorKind::network, nth);
      bool met = false;
      try {
        const Verified verified = verify(*backend);
        CHECK(verified.damages.empty());
        backend->stat("");  // of few calls of a kind not all are met
        for (int i = 0; i < 5; ++i) backend->stat("");
      } catch (const Error& error) {
        met = true;
        CHECK(error.kind() == ErrorKind::network);
      }
      CHECK(met);
    }
}

}  // namespace reverse
