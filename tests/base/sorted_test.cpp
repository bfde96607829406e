#include "libcore/base/sorted.h"

#include <catch2/catch.hpp>
#include <string>

namespace reverse {
namespace {

using Set = std::vector<std::string>;

TEST_CASE("sorted vectors are subtracted, intersected and united as sets") {
  const Set one = {"a", "b", "d"};
  const Set other = {"b", "c"};
  CHECK(without(one, other) == Set{"a", "d"});
  CHECK(common(one, other) == Set{"b"});
  CHECK(united(one, other) == Set{"a", "b", "c", "d"});
  CHECK(without(one, {}) == one);
  CHECK(common(one, {}).empty());
  CHECK(united({}, one) == one);
  CHECK(holds(one, std::string("d")));
  CHECK_FALSE(holds(one, std::string("c")));
}

}  // namespace
}  // namespace reverse
