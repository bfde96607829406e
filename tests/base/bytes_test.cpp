#include "libcore/base/bytes.h"

#include <catch2/catch.hpp>
#include <string>

namespace reverse {

TEST_CASE("holes are told from data by address, not by content", "[bytes]") {
  const ByteView zeros = zero_block();
  CHECK(is_hole(zeros));
  CHECK(is_hole(zeros.substr(0, 1)));
  CHECK(is_hole(zeros.substr(zeros.size() - 1)));
  CHECK_FALSE(is_hole(std::string(4096, '\0')));
  CHECK_FALSE(is_hole({}));
  CHECK_FALSE(is_hole(zeros.substr(zeros.size())));
  CHECK(zeros.find_first_not_of('\0') == ByteView::npos);
}

TEST_CASE("a source over memory gives its bytes once", "[bytes]") {
  MemorySource source("abc");
  CHECK(source.next() == "abc");
  CHECK(source.next().empty());
  CHECK(source.next().empty());
}

}  // namespace reverse
