#include "libcore/engine/sharded_set.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>

namespace reverse {
namespace {

struct Number {
  std::uint32_t value = 0;
  unsigned shard() const { return value % layout::kShards; }
  auto operator<=>(const Number&) const = default;
};

TEST_CASE("a sharded set gives back each record once and sorted, spilled to a file or not") {
  const std::size_t budget = GENERATE(1 << 20, 64 << 10, 1000, 1);
  ShardedSet<Number> set(budget);
  std::set<std::uint32_t> expected;
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const std::uint32_t value = random() % 8000;
    expected.insert(value);
    set.add({value});
  }
  for (int again = 0; again < 2; ++again) {
    std::set<std::uint32_t> found;
    for (int shard = 0; shard < layout::kShards; ++shard) {
      const std::vector<Number> records = set.shard(shard);
      REQUIRE(std::is_sorted(records.begin(), records.end()));
      for (const Number& record : records) {
        REQUIRE(record.shard() == static_cast<unsigned>(shard));
        REQUIRE(found.insert(record.value).second);
      }
    }
    CHECK(found == expected);
  }
  set.clear();
  for (int shard = 0; shard < layout::kShards; ++shard) REQUIRE(set.shard(shard).empty());
  set.add({5});
  CHECK(set.shard(5) == std::vector<Number>{{5}});
}

}  // namespace
}  // namespace reverse
