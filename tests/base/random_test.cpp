#include "libcore/base/random.h"

#include <catch2/catch.hpp>
#include <set>

#include "libcore/base/text.h"

namespace reverse {

TEST_CASE("random names are hex of the asked length and do not repeat", "[random]") {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = random_hex(8);
    REQUIRE(from_hex(name).value().size() == 8);
    seen.insert(name);
  }
  CHECK(seen.size() == 1000);
  CHECK(random_hex(0) == "");
}

TEST_CASE("UUIDs have the form, version and variant of RFC 9562", "[random]") {
  for (int i = 0; i < 100; ++i) {
    const std::string uuid = random_uuid();
    REQUIRE(uuid.size() == 36);
    const auto parts = split(uuid, '-');
    REQUIRE(parts.size() == 5);
    const std::size_t sizes[] = {8, 4, 4, 4, 12};
    for (std::size_t part = 0; part < 5; ++part) {
      CHECK(parts[part].size() == sizes[part]);
      CHECK(from_hex(parts[part]).has_value());
    }
    CHECK(parts[2].front() == '4');
    CHECK(std::string_view("89ab").find(parts[3].front()) != std::string_view::npos);
  }
}

}  // namespace reverse
