#include "libcore/base/byte_budget.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

namespace reverse {

TEST_CASE("threads together never hold more than the budget", "[byte_budget]") {
  constexpr std::uint64_t kBudget = 100;
  ByteBudget budget(kBudget);
  std::atomic<std::uint64_t> held = 0;
  std::atomic<std::uint64_t> most = 0;
  std::vector<std::jthread> threads;
  for (const std::uint64_t bytes : {30u, 45u, 60u, 100u})
    threads.emplace_back([&, bytes] {
      for (int i = 0; i < 300; ++i) {
        const auto share = budget.draw(bytes, {});
        const std::uint64_t sum = held += bytes;
        for (std::uint64_t seen = most; sum > seen && !most.compare_exchange_weak(seen, sum);) {
        }
        std::this_thread::yield();  // lets others draw meanwhile, if the budget would
        held -= bytes;
      }
    });
  threads.clear();
  CHECK(most <= kBudget);
  CHECK(most >= 30);
}

TEST_CASE("who wants more than the whole budget gets all of it", "[byte_budget]") {
  ByteBudget budget(10);
  auto all = budget.draw(1000, {});
  std::atomic<bool> released = false;
  bool waited = false;
  std::jthread waiter([&] {
    const auto share = budget.draw(1, {});
    waited = released;
  });
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();
  released = true;
  all.release();
  waiter.join();
  CHECK(waited);
}

TEST_CASE("a share is given back once, by its last owner", "[byte_budget]") {
  ByteBudget budget(10);
  {
    auto first = budget.draw(6, {});
    ByteBudget::Share second = std::move(first);
    first.release();
    second = budget.draw(4, {});  // gives back the 6
    const auto rest = budget.draw(6, {});
  }
  const auto all = budget.draw(10, {});
}

TEST_CASE("a stop wakes who waits for bytes", "[byte_budget]") {
  ByteBudget budget(10);
  const auto all = budget.draw(10, {});
  std::stop_source stop;
  bool cancelled = false;
  std::jthread waiter([&] {
    try {
      budget.draw(1, stop.get_token());
    } catch (const Cancelled&) {
      cancelled = true;
    }
  });
  stop.request_stop();
  waiter.join();
  CHECK(cancelled);
}

}  // namespace reverse
