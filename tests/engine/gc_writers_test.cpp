#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "libcore/base/fd.h"
#include "libcore/store/marks.h"
#include "tests/engine/gc_scene.h"
#include "tests/support/stride.h"

// gc and writers, gc and gc, gc and forget, stepped against each other call by call: after every
// interleaving each published revision is whole. The names F1 to F12 are those of the ways in which
// an earlier protocol lost data.

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;
using Act = std::function<void()>;

/// A repository in which gc takes out what the next backup needs: version 0 was backed up, marked,
/// and is the source again.
template <typename S>
struct SceneAt : VersionsAt<S> {
  SceneAt() {
    old = this->back_up(0);
    this->back_up(1);
    forget(this->place, old);
    this->write(0);
  }
  std::string old;
};
using Scene = SceneAt<Medium>;

/// Runs `act` before call `n`.
FaultBackend::Hook at_call(std::uint64_t n, Act act) {
  return [n, act = std::move(act)](std::string_view, const RepoPath&, std::uint64_t number) {
    if (number == n) act();
  };
}

void collect_with(const Site& site, FaultBackend::Hook hook) {
  const auto backend = site.connect();
  backend->set_hook(std::move(hook));
  collect(*backend, at_once());
}

/// Everything is whole, and when the last gc has ended nothing that is needed lies in the trash
/// only (F5): a copy by other means may leave that out.
template <typename S>
void check_after(TrialAt<S>& trial) {
  trial.check_all_restore();
  const auto backend = trial.place.connect();
  REQUIRE(backend->move("trash", "trash.aside") == MoveResult::done);
  CHECK(defects(*backend) == Lines{});
  REQUIRE(backend->move("trash.aside", "trash") == MoveResult::done);
  collect(trial.place, at_once());
  check_clean(trial.place);
  trial.check_all_restore();
}

TEST_CASE("a whole backup at any call of gc is published and stays whole") {
  const Scene scene;
  for (std::uint64_t n : moments_of_gc(scene, at_once())) {
    CAPTURE(n);
    TrialInMemory trial(scene);
    bool warm = n % 2 == 0;
    if (!warm) trial.client.forget();
    collect_with(trial.place, at_call(n, [&] { trial.back_up(); }));
    CHECK(heads_of(trial.place).size() >= 2);
    check_after(trial);
  }
}

/// A backup in a thread of its own, stopped before it publishes its head.
template <typename S>
class WaitingBackup {
 public:
  explicit WaitingBackup(TrialAt<S>& trial) : trial_(trial), backend_(trial.place.connect()) {
    backend_->set_hook([this](std::string_view call, const RepoPath& path, std::uint64_t) {
      if (call != "publish" || !path.starts_with("manifests/") || target_ != "") return;
      std::unique_lock lock(mutex_);
      target_ = path;
      changed_.notify_all();
      changed_.wait(lock, [this] { return released_; });
    });
    thread_ = std::thread([this] {
      try {
        revision_ =
            trial_.client.back_up(*backend_, Client::options(trial_.source.path())).head.revision();
      } catch (const std::exception& error) {
        error_ = error.what();
        std::lock_guard lock(mutex_);
        target_ = "failed";
        changed_.notify_all();
      }
    });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return target_ != ""; });
  }
  ~WaitingBackup() { finish(); }

  /// Lets it go on, to its end. Once.
  void finish() {
    {
      std::lock_guard lock(mutex_);
      released_ = true;
      changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
  }
  /// Ends it, and takes note of what it published.
  void check_published() {
    finish();
    CHECK(error_ == "");
    trial_.expected[revision_] = facts_of(trial_.source.path());
    bool found = false;
    for (const Head& head : heads_of(trial_.place)) found |= head.revision() == revision_;
    CHECK(found);
  }
  /// Where the head is to go, relative to the repository.
  std::string target() const { return target_; }

 private:
  TrialAt<S>& trial_;
  std::unique_ptr<FaultBackend> backend_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string target_, revision_, error_;
  bool released_ = false;
  std::thread thread_;
};

TEST_CASE("a backup that had looked at everything before gc began publishes at any call of gc") {
  const Scene scene;
  for (std::uint64_t n : moments_of_gc(scene, at_once())) {
    CAPTURE(n);
    TrialInMemory trial(scene);
    WaitingBackup backup(trial);
    collect_with(trial.place, at_call(n, [&] { backup.finish(); }));
    backup.check_published();
    check_after(trial);
  }
}

/// The request to publish a waiting head, on its way: the server has resolved the head's directory
/// and executes the rename when it pleases.
class RequestUnderWay {
 public:
  RequestUnderWay(const Place& place, const std::string& target)
      : target_(place.path() + "/" + target) {
    for (const fs::directory_entry& gate : fs::directory_iterator(place.path() + "/writing"))
      for (const fs::directory_entry& head : fs::directory_iterator(gate)) {
        gate_ = open_file(gate.path().string(), O_PATH | O_DIRECTORY);
        head_ = head.path().filename().string();
      }
    REQUIRE(gate_);
  }
  /// True if it took effect.
  bool execute() { return ::renameat(gate_.get(), head_.c_str(), AT_FDCWD, target_.c_str()) == 0; }

 private:
  UniqueFd gate_;
  std::string head_;
  const std::string target_;
};

TEST_CASE(
    "a request to publish that is under way while gc runs takes effect before gc looks, or never "
    "(F1)") {
  const SceneAt<Place> scene;
  std::size_t executed = 0, failed = 0;
  for (std::uint64_t n : moments_of_gc(scene, at_once())) {
    CAPTURE(n);
    Trial trial(scene);
    WaitingBackup backup(trial);
    RequestUnderWay request(trial.place, backup.target());
    collect_with(trial.place, at_call(n, [&] {
                   // As written, so that the request carries a whole head.
                   (request.execute() ? executed : failed) += 1;
                 }));
    backup.check_published();
    check_after(trial);
  }
  CHECK(executed * Stride::every() > 5);
  CHECK(failed * Stride::every() > 5);
}

TEST_CASE("gc at any call of a backup: the backup publishes, and what it refers to is there") {
  const Scene scene;
  std::uint64_t calls = 0;
  {
    TrialInMemory rehearsal(scene);
    const auto backend = rehearsal.place.connect();
    rehearsal.client.back_up(*backend, Client::options(scene.source.path()));
    calls = backend->calls();
  }
  Stride stride;
  for (std::uint64_t n = 1; n <= calls; ++n) {
    if (stride.skips()) continue;
    CAPTURE(n);
    TrialInMemory trial(scene);
    if (n % 2 == 0) trial.client.forget();
    const auto backend = trial.place.connect();
    backend->set_hook(at_call(n, [&] { collect(trial.place, at_once()); }));
    const BackupReport report =
        trial.client.back_up(*backend, Client::options(scene.source.path()));
    CHECK(report.published);
    trial.expected[report.head.revision()] = facts_of(scene.source.path());
    check_after(trial);
  }
}

TEST_CASE("gc at any call of another gc, with a backup that publishes in between (F2)") {
  const Scene scene;
  const std::vector<std::uint64_t> moments = moments_of_gc(scene, at_once());
  for (std::size_t i = 0; i < moments.size(); i += 3) {
    for (std::size_t j = i; j < moments.size(); j += 7) {
      CAPTURE(moments[i], moments[j]);
      TrialInMemory trial(scene);
      WaitingBackup backup(trial);
      collect_with(trial.place, [&](std::string_view, const RepoPath&, std::uint64_t number) {
        if (number == moments[i]) backup.finish();
        if (number == moments[j]) collect(trial.place, at_once());
      });
      backup.check_published();
      check_after(trial);
    }
  }
}

TEST_CASE(
    "a mark that is taken back at any call of gc keeps its revision, if it could be taken back "
    "(F4)") {
  const Scene scene;
  std::size_t kept = 0, gone = 0;
  for (std::uint64_t n : moments_of_gc(scene, at_once())) {
    CAPTURE(n);
    TrialInMemory trial(scene);
    bool taken_back = false;
    collect_with(trial.place, at_call(n, [&] {
                   taken_back = remove_mark(*trial.place.connect(), scene.old);
                 }));
    const bool is_there = heads_of(trial.place).size() == 2;
    CHECK(is_there == taken_back);
    ++(is_there ? kept : gone);
    trial.check_all_restore();
    collect(trial.place, at_once());
    check_clean(trial.place);
    trial.check_all_restore();
  }
  CHECK(kept * Stride::every() > 5);
  CHECK(gone * Stride::every() > 5);
}

TEST_CASE("revisions that another run expires while gc reads them are no damage") {
  const Scene scene;
  for (std::uint64_t n : moments_of_gc(scene, at_once(), 2)) {
    CAPTURE(n);
    TrialInMemory trial(scene);
    const std::string newest =
        trial.client.back_up(trial.place, trial.source.path()).head.revision();
    trial.expected[newest] = facts_of(trial.source.path());
    std::string second;
    for (const Head& head : heads_of(trial.place))
      if (head.revision() != newest && head.revision() != scene.old) second = head.revision();
    bool was_there = false;  // with the objects there again, this run needs fewer calls
    collect_with(trial.place, at_call(n, [&] {
                   was_there = true;
                   forget(trial.place, second);
                   collect(trial.place, at_once());
                 }));
    CHECK(heads_of(trial.place).size() == (was_there ? 1 : 2));
    check_after(trial);
  }
}

TEST_CASE("a damaged copy is never put back over a writer's good one (F8)") {
  Versions f;
  f.back_up(0);
  const std::string run = f.place.path() + "/trash/" + std::string(32, 'f');
  fs::create_directories(run);
  const std::string name = fs::path(object_of("shared 4")).filename().string();
  fs::remove(f.place.path() + "/" + object_of("shared 4"));
  write_file(run + "/" + name, "shared X");
  f.client.forget();
  f.client.back_up(f.place, f.source.path());
  collect(f.place, GcOptions());
  CHECK(defects(f.place) == Lines{});
}

TEST_CASE(
    "gc that was killed between an object and the page that names it deceives no writer (F9)") {
  const Scene scene;
  const std::vector<std::string> calls = calls_of_gc(scene, at_once());
  Stride stride;
  for (std::uint64_t n = 1; n <= calls.size(); ++n) {
    if (!calls[n - 1].starts_with("move objects/") || stride.skips()) continue;
    CAPTURE(n);
    TrialInMemory trial(scene);
    const auto backend = trial.place.connect();
    backend->crash_at(n);
    CHECK_THROWS_AS(collect(*backend, at_once()), Crash);
    trial.client.forget();
    trial.back_up();
    check_after(trial);
  }
}

}  // namespace
}  // namespace reverse
