#include <atomic>
#include <catch2/catch.hpp>

#include "libcore/base/error.h"
#include "libcore/base/task_pool.h"

namespace reverse {

TEST_CASE("a task pool has done everything once it was waited for") {
  TaskPool pool(2);
  Pipeline pipeline{std::stop_token()};
  pool.start(pipeline, 3);
  std::atomic<int> done = 0;
  for (int round = 1; round <= 3; ++round) {
    for (int i = 0; i < 100; ++i) pool.submit([&done] { ++done; });
    pool.wait();
    CHECK(done == 100 * round);
  }
  pool.close();
  pipeline.wait();
}

TEST_CASE("a task that fails stops the pool, and the pipeline tells why") {
  TaskPool pool(2);
  Pipeline pipeline{std::stop_token()};
  pool.start(pipeline, 2);
  pipeline.run_here([&pool] {
    pool.submit([] { fail(ErrorKind::io, "no such luck"); });
    pool.wait();
  });
  CHECK_THROWS_AS(pipeline.wait(), Error);
}

}  // namespace reverse
