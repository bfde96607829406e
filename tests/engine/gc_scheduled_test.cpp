#include <catch2/catch.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "libcore/store/marks.h"
#include "tests/engine/gc_scene.h"

// Two writers, two gcs and a user who forgets and remembers, all at once: a scheduler decides by
// lot who makes the next call to the repository, and who dies at which.

namespace reverse {
namespace {

/// Lets one actor at a time call its repository, for a number of calls drawn by lot.
class Turns {
 public:
  Turns(int actors, unsigned seed)
      : random_(seed), states_(static_cast<std::size_t>(actors), running) {}

  /// For the backend of one actor: waits for its turn before each call.
  FaultBackend::Hook hook(std::size_t actor) {
    return [this, actor](std::string_view, const RepoPath&, std::uint64_t) { wait(actor); };
  }
  /// The actor has ended.
  void leave(std::size_t actor) {
    std::lock_guard lock(mutex_);
    states_[actor] = gone;
    choose();
  }

 private:
  enum State { running, waiting, gone };

  void wait(std::size_t actor) {
    std::unique_lock lock(mutex_);
    if (turn_ == actor && calls_left_ > 0) {
      --calls_left_;
      return;
    }
    states_[actor] = waiting;
    choose();
    changed_.wait(lock, [&] { return turn_ == actor && states_[actor] == running; });
  }

  void choose() {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (states_[i] == running) return;
      if (states_[i] == waiting) ready.push_back(i);
    }
    if (ready.empty()) return;
    turn_ = ready[random_() % ready.size()];
    calls_left_ = random_() % (random_() % 2 == 0 ? 3 : 60);
    states_[turn_] = running;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::mt19937 random_;
  std::vector<State> states_;
  std::size_t turn_ = static_cast<std::size_t>(-1);
  std::size_t calls_left_ = 0;
};

struct Actor {
  std::function<void(FaultBackend&)> act;
  std::unique_ptr<FaultBackend> backend;  // of a crashed one too: its temporaries stay
  std::string error;
};

void run(Actor& actor) {
  try {
    actor.act(*actor.backend);
  } catch (const Crash&) {
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::busy) actor.error = error.what();
  } catch (const std::exception& error) {
    actor.error = error.what();
  }
}

/// Runs them all against `place`, in an order and with deaths that `seed` draws.
void run_together(std::vector<Actor>& actors, const Place& place, unsigned seed) {
  std::mt19937 random(seed);
  Turns turns(static_cast<int>(actors.size()), seed);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < actors.size(); ++i) {
    actors[i].backend = place.connect();
    if (random() % 4 == 0) actors[i].backend->crash_at(1 + random() % 400);
    actors[i].backend->set_hook(turns.hook(i));
  }
  for (std::size_t i = 0; i < actors.size(); ++i)
    threads.emplace_back([&, i] {
      run(actors[i]);
      turns.leave(i);
    });
  for (std::thread& thread : threads) thread.join();
}

struct Scene : Versions {
  Scene() {
    first = back_up(0);
    second = back_up(1);
    forget(place, first);
    write(0);
  }
  std::string first, second;
};

TEST_CASE("whatever order writers, gcs and forgetting come in, and whoever dies, nothing is lost") {
  const Scene scene;
  const unsigned schedules = 100;
  for (unsigned seed = 1; seed <= schedules; ++seed) {
    CAPTURE(seed);
    Trial trial(scene);
    Client laptop;
    BackupOptions options = Client::options(scene.source.path());
    BackupOptions other = options;
    other.host = "laptop";
    GcOptions usual = at_once();
    usual.trash = std::chrono::hours(24);
    std::vector<Actor> actors(5);
    actors[0].act = [&](Backend& backend) { trial.client.back_up(backend, options); };
    actors[1].act = [&](Backend& backend) { laptop.back_up(backend, other); };
    actors[2].act = [&](Backend& backend) { collect(backend, at_once()); };
    actors[3].act = [&](Backend& backend) { collect(backend, seed % 2 ? usual : at_once()); };
    actors[4].act = [&](Backend& backend) {
      make_marks(backend, {scene.second});
      remove_mark(backend, scene.first);
      remove_mark(backend, scene.second);
      make_marks(backend, {scene.first});
    };
    run_together(actors, trial.place, seed);
    for (const Actor& actor : actors) CHECK(actor.error == "");
    for (const Head& head :
         heads_of(trial.place))  // published by one that died before it could tell
      trial.expected.emplace(head.revision(), facts_of(scene.source.path()));
    trial.check_all_restore();
    collect(trial.place, at_once());
    check_clean(trial.place);
    trial.check_all_restore();
  }
}

}  // namespace
}  // namespace reverse
