#include "libcore/store/trash.h"

#include <catch2/catch.hpp>

#include "libcore/store/layout.h"

namespace reverse {
namespace {

TEST_CASE("what is left of a revision has a name in the trash that tells which", "[store][gc]") {
  std::string revision = "desk/home-joe/20140125T100000Z-6f0c2a7e";
  std::string head = trashed_head_name(revision);
  std::string mark = trashed_mark_name(revision);
  CHECK(head == "desk@home-joe@20140125T100000Z-6f0c2a7e.yaml");
  CHECK(revision_of_trashed_head(head) == revision);
  CHECK(revision_of_trashed_mark(mark) == revision);
  CHECK_FALSE(revision_of_trashed_head(mark));
  CHECK_FALSE(revision_of_trashed_mark(head));
  CHECK_FALSE(parse_object_name(head));
  CHECK(trash_path("RUN", "x") == "trash/RUN/x");
}

TEST_CASE("other names in the trash are no revision's", "[store][gc]") {
  for (const char* name :
       {"", ".mark", "a@b.mark", "a@b@c.mark", "../x@b@20140125T100000Z-6f0c2a7e.mark",
        "a@b@20140125T100000Z-6f0c2a7e", "a@b@c@20140125T100000Z-6f0c2a7e.mark"})
    CHECK_FALSE(revision_of_trashed_mark(name));
}

}  // namespace
}  // namespace reverse
