#include "tests/engine/schedule.h"

#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

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

}  // namespace

void run_together(std::vector<Actor>& actors, const Site& site, unsigned seed) {
  std::mt19937 random(seed);
  Turns turns(static_cast<int>(actors.size()), seed);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < actors.size(); ++i) {
    actors[i].backend = site.connect();
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

}  // namespace reverse
