#include "libcore/base/queue.h"

#include <catch2/catch.hpp>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

namespace reverse {

TEST_CASE("a queue gives items in order and then says that it is closed", "[queue]") {
  BoundedQueue<int> queue(3);
  const std::stop_token never;
  for (const int item : {1, 2, 3}) queue.push(item, never);
  queue.close();
  CHECK(queue.pop(never) == 1);
  CHECK(queue.pop(never) == 2);
  CHECK(queue.pop(never) == 3);
  CHECK_FALSE(queue.pop(never).has_value());
  CHECK_FALSE(queue.pop(never).has_value());
}

TEST_CASE("every item of several producers reaches one of several consumers once", "[queue]") {
  constexpr int kItems = 2000;
  BoundedQueue<std::unique_ptr<int>> queue(4);
  const std::stop_token never;
  std::vector<std::vector<int>> received(3);
  std::vector<std::jthread> consumers;
  for (auto& items : received)
    consumers.emplace_back([&queue, &items, never] {
      while (auto item = queue.pop(never)) items.push_back(**item);
    });
  {
    std::vector<std::jthread> producers;
    for (int first : {0, 1})
      producers.emplace_back([&queue, first, never] {
        for (int item = first; item < kItems; item += 2)
          queue.push(std::make_unique<int>(item), never);
      });
  }
  queue.close();
  consumers.clear();
  std::vector<int> count(kItems);
  for (const auto& items : received)
    for (const int item : items) ++count[std::size_t(item)];
  CHECK(count == std::vector<int>(kItems, 1));
}

TEST_CASE("a full queue makes its producer wait for room", "[queue]") {
  BoundedQueue<int> queue(1);
  const std::stop_token never;
  queue.push(1, never);
  std::jthread producer([&] { queue.push(2, never); });
  CHECK(queue.pop(never) == 1);
  CHECK(queue.pop(never) == 2);
}

TEST_CASE("closing wakes a consumer that waits", "[queue]") {
  BoundedQueue<int> queue(1);
  std::optional<int> got = 7;
  std::jthread consumer([&] { got = queue.pop({}); });
  queue.close();
  consumer.join();
  CHECK_FALSE(got.has_value());
}

TEST_CASE("a stop wakes those who wait, with Cancelled", "[queue]") {
  BoundedQueue<int> empty(1);
  BoundedQueue<int> full(1);
  full.push(1, {});
  std::stop_source stop;
  bool pop_cancelled = false;
  bool push_cancelled = false;
  std::jthread consumer([&] {
    try {
      empty.pop(stop.get_token());
    } catch (const Cancelled&) {
      pop_cancelled = true;
    }
  });
  std::jthread producer([&] {
    try {
      full.push(2, stop.get_token());
    } catch (const Cancelled&) {
      push_cancelled = true;
    }
  });
  stop.request_stop();
  consumer.join();
  producer.join();
  CHECK(pop_cancelled);
  CHECK(push_cancelled);
}

TEST_CASE("after a stop nothing moves, though there be room and items", "[queue]") {
  BoundedQueue<int> queue(4);
  queue.push(1, {});
  std::stop_source stop;
  stop.request_stop();
  CHECK_THROWS_AS(queue.push(2, stop.get_token()), Cancelled);
  CHECK_THROWS_AS(queue.pop(stop.get_token()), Cancelled);
}

}  // namespace reverse
