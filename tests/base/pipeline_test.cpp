#include "libcore/base/pipeline.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <stdexcept>

#include "libcore/base/error.h"
#include "libcore/base/queue.h"

namespace reverse {

TEST_CASE("a pipeline moves items through its stages", "[pipeline]") {
  BoundedQueue<int> numbers(2);
  BoundedQueue<int> squares(2);
  int sum = 0;
  Pipeline pipeline({});
  const std::stop_token stop = pipeline.stop_token();
  pipeline.start([&] {
    for (int i = 1; i <= 100; ++i) numbers.push(i, stop);
    numbers.close();
  });
  pipeline.start([&] {
    while (const auto number = numbers.pop(stop)) squares.push(*number * *number, stop);
    squares.close();
  });
  pipeline.run_here([&] {
    while (const auto square = squares.pop(stop)) sum += *square;
  });
  pipeline.wait();
  CHECK(sum == 338'350);
}

TEST_CASE("an error stops all stages and is thrown before the Cancelled it causes", "[pipeline]") {
  for (int round = 0; round < 50; ++round) {
    BoundedQueue<int> queue(1);
    Pipeline pipeline({});
    const std::stop_token stop = pipeline.stop_token();
    pipeline.start([&] { queue.pop(stop); });
    pipeline.start([&] {
      for (;;) queue.push(1, stop);
    });
    pipeline.start([] { fail(ErrorKind::no_space, "disk full"); });
    CHECK_THROWS_WITH(pipeline.wait(), "disk full");
  }
}

TEST_CASE("an error is thrown even if another stage was cancelled before", "[pipeline]") {
  std::stop_source outer;
  Pipeline pipeline(outer.get_token());
  pipeline.run_here([] { throw Cancelled(); });
  pipeline.run_here([] { fail(ErrorKind::io, "first"); });
  pipeline.run_here([] { fail(ErrorKind::io, "second"); });
  CHECK_THROWS_WITH(pipeline.wait(), "first");
}

TEST_CASE("exceptions that are no Error stop the pipeline too", "[pipeline]") {
  Pipeline pipeline({});
  pipeline.start([] { throw std::runtime_error("surprise"); });
  CHECK_THROWS_AS(pipeline.wait(), std::runtime_error);
  CHECK(pipeline.stop_token().stop_requested());
}

TEST_CASE("a stop from outside ends a pipeline with Cancelled", "[pipeline]") {
  std::stop_source outer;
  BoundedQueue<int> queue(1);
  Pipeline pipeline(outer.get_token());
  pipeline.start([&] { queue.pop(pipeline.stop_token()); });
  outer.request_stop();
  CHECK_THROWS_AS(pipeline.wait(), Cancelled);
}

TEST_CASE("a stop that came before the pipeline counts", "[pipeline]") {
  std::stop_source outer;
  outer.request_stop();
  const Pipeline pipeline(outer.get_token());
  CHECK(pipeline.stop_token().stop_requested());
}

TEST_CASE("a pipeline that nobody waits for stops and joins its stages", "[pipeline]") {
  std::atomic<bool> ended = false;
  BoundedQueue<int> queue(1);
  {
    Pipeline pipeline({});
    pipeline.start([&, stop = pipeline.stop_token()] {
      try {
        queue.pop(stop);
      } catch (const Cancelled&) {
        ended = true;
        throw;
      }
    });
  }
  CHECK(ended);
}

}  // namespace reverse
