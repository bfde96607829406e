#include "libcore/catalog/server_memory.h"

#include <catch2/catch.hpp>

#include "libcore/base/fd.h"
#include "libcore/base/temp_dir.h"
#include "tests/catalog/rows.h"

using namespace reverse;

TEST_CASE("what was found out about a server is there for the next run", "[catalog]") {
  const TempDir home;
  Warnings warnings;
  const auto open = [&] { return ServerMemory::open(home.path(), warnings.sink()); };
  CHECK_FALSE(open()->recall("nas:/backup", "hello"));
  open()->keep("nas:/backup", "hello", "rename: yes\n");
  CHECK(open()->recall("nas:/backup", "hello") == "rename: yes\n");
  CHECK_FALSE(open()->recall("nas:/backup", "good day"));
  CHECK_FALSE(open()->recall("joe@nas:/backup", "hello"));
  open()->keep("nas:/backup", "good day", "rename: no\n");
  CHECK(open()->recall("nas:/backup", "good day") == "rename: no\n");
  CHECK_FALSE(open()->recall("nas:/backup", "hello"));

  write_file(home / "servers-1.sqlite", "rubbish");
  CHECK_FALSE(open()->recall("nas:/backup", "good day"));
}
