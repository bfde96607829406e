#include "libcore/engine/new_file.h"

#include <fcntl.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/error.h"
#include "tests/support/temp_tree.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;

std::ptrdiff_t names_in(const TempTree& tree) {
  return std::distance(fs::directory_iterator(tree.path()), {});
}

TEST_CASE("a new file appears whole under its name, or not at all") {
  TempTree tree;
  const UniqueFd directory = open_file(tree.path(), O_RDONLY | O_DIRECTORY);
  const bool unnamed = GENERATE(false, true) && can_name_files(directory.get());
  CAPTURE(unnamed);
  CHECK(names_in(tree) == 0);
  const std::string name = "file", display = tree / "file";
  const NewName as{directory.get(), name, display};
  {
    NewFile given_up(as, unnamed);
    write_full(given_up.fd(), "some of it", display);
    CHECK(names_in(tree) == (unnamed ? 0 : 1));
  }
  CHECK(names_in(tree) == 0);
  {
    NewFile file(as, unnamed);
    write_full(file.fd(), "whole", display);
    char text[5];
    CHECK(read_full(file.open_again().get(), text, sizeof text, display) == sizeof text);
    CHECK(!fs::exists(display));
    file.give(false);
  }
  CHECK(tree.read("file") == "whole");
  for (const bool replace : {false, true}) {
    NewFile other(as, unnamed);
    write_full(other.fd(), "other", display);
    if (replace)
      other.give(true);
    else
      CHECK_THROWS_AS(other.give(false), Error);
    CHECK(tree.read("file") == (replace ? "other" : "whole"));
  }
  CHECK(names_in(tree) == 1);
}

}  // namespace
}  // namespace reverse
