#include "libcore/store/seen_heads.h"

#include <catch2/catch.hpp>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/temp_dir.h"
#include "tests/store/sample.h"

namespace reverse {
namespace {

using Names = std::vector<std::string>;

struct Ready {
  TempDir directory;
  std::unique_ptr<Backend> backend = open_local_backend(directory.path(), Durability::none);

  std::size_t files() {
    std::size_t count = 0;
    backend->list("gc/heads", [&](const ListedFile&) { ++count; });
    return count;
  }
};

TEST_CASE("what gc has seen and removed is known to the next run", "[store][gc]") {
  Ready ready;
  SeenHeads first = SeenHeads::read(*ready.backend);
  CHECK(first.expected().empty());
  first.set_present({"a/b/1", "a/b/2", "a/b/3"});
  first.add_removed("a/b/2");
  first.write(*ready.backend);
  SeenHeads second = SeenHeads::read(*ready.backend);
  CHECK(second.expected() == Names{"a/b/1", "a/b/3"});
  CHECK(second.was_removed("a/b/2"));
  CHECK_FALSE(second.was_removed("a/b/1"));
  second.set_present({"a/b/1", "a/b/2"});  // seen again: what was removed stays so
  second.write(*ready.backend);
  SeenHeads third = SeenHeads::read(*ready.backend);
  CHECK(third.expected() == Names{"a/b/1"});
  CHECK(third.was_removed("a/b/2"));
  CHECK(ready.files() == 1);
}

TEST_CASE("two runs at once lose nothing of what the other removed", "[store][gc]") {
  Ready ready;
  SeenHeads begin = SeenHeads::read(*ready.backend);
  begin.set_present({"a/b/1", "a/b/2", "a/b/3"});
  begin.write(*ready.backend);
  SeenHeads one = SeenHeads::read(*ready.backend);
  SeenHeads other = SeenHeads::read(*ready.backend);
  one.add_removed("a/b/1");
  other.add_removed("a/b/2");
  one.write(*ready.backend);
  other.write(*ready.backend);
  SeenHeads end = SeenHeads::read(*ready.backend);
  CHECK(end.expected() == Names{"a/b/3"});
  CHECK(end.was_removed("a/b/1"));
  CHECK(end.was_removed("a/b/2"));
}

TEST_CASE("nothing new writes nothing", "[store][gc]") {
  Ready ready;
  SeenHeads::read(*ready.backend).write(*ready.backend);
  CHECK_FALSE(ready.backend->stat("gc"));
}

TEST_CASE("a damaged list of revisions is an error", "[store][gc]") {
  Ready ready;
  ready.backend->make_directory("gc");
  ready.backend->make_directory("gc/heads");
  std::string path = ready.directory / "gc/heads/0123456789abcdef0123456789abcdef";
  for (const char* text :
       {"", "# reverse heads 1\n- {\"revision\": \"a\"", "- {\"revision\": \"a\"}\n",
        "# reverse heads 1\n- {\"revision\": \"a\", \"gone\": true}\n"}) {
    write_file(path, text);
    CHECK_THROWS_AS(SeenHeads::read(*ready.backend), Error);
  }
}

}  // namespace
}  // namespace reverse
