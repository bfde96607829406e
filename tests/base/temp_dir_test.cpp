#include "libcore/base/temp_dir.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "libcore/base/fd.h"

namespace reverse {

TEST_CASE("a temporary directory is private and goes with all it holds", "[temp_dir]") {
  std::optional<TempDir> dir(std::in_place);
  const std::string path = dir->path();
  struct stat st;
  REQUIRE(::stat(path.c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0700);
  std::filesystem::create_directories(*dir / "a/b");
  write_file(*dir / "a/b/file", "x");
  dir.reset();
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("temporary directories lie where TMPDIR says and never share a name", "[temp_dir]") {
  const TempDir outer;
  const std::string before = std::getenv("TMPDIR");
  ::setenv("TMPDIR", outer.path().c_str(), 1);
  {
    const TempDir first;
    const TempDir second;
    CHECK(first.path().starts_with(outer.path() + "/"));
    CHECK(first.path() != second.path());
  }
  ::setenv("TMPDIR", before.c_str(), 1);
}

}  // namespace reverse
