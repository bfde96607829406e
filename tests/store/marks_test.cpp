#include "libcore/store/marks.h"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "libcore/base/temp_dir.h"
#include "tests/store/sample.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;

struct Marked {
  TempDir directory;
  std::unique_ptr<Backend> backend = open_local_backend(directory.path(), Durability::none);

  std::vector<std::string> revisions() {
    std::vector<std::string> names;
    for (const Mark& mark : list_marks(*backend)) names.push_back(mark.revision);
    return names;
  }
};

const std::string kOne = "desk/docs/20140125T100000Z-6f0c2a7e";
const std::string kTwo = "desk/mail/20140126T100000Z-00000000";

TEST_CASE("a mark is there until it is taken back, and has the age of its file", "[store][gc]") {
  Marked f;
  CHECK(f.revisions().empty());
  CHECK(make_marks(*f.backend, {kOne, kTwo}) == std::vector<std::string>{kOne, kTwo});
  CHECK(make_marks(*f.backend, {}).empty());
  CHECK(f.revisions() == std::vector<std::string>{kOne, kTwo});
  const std::optional<FileStat> stat = f.backend->stat("forgotten/" + kOne);
  REQUIRE(stat);
  CHECK(stat->size == 0);
  CHECK(list_marks(*f.backend).front().made == stat->mtime);
  CHECK(remove_mark(*f.backend, kOne));
  CHECK_FALSE(remove_mark(*f.backend, kOne));
  CHECK(f.revisions() == std::vector<std::string>{kTwo});
  CHECK(fs::is_empty(f.directory / "tmp"));
}

TEST_CASE("marking a second time does not make a mark younger", "[store][gc]") {
  Marked f;
  make_marks(*f.backend, {kOne});
  const fs::path file = f.directory / ("forgotten/" + kOne);
  const auto made = fs::last_write_time(file) - std::chrono::hours(100);
  fs::last_write_time(file, made);
  CHECK(make_marks(*f.backend, {kTwo, kOne}) == std::vector<std::string>{kTwo});
  CHECK(fs::last_write_time(file) == made);
}

TEST_CASE("any number of revisions is marked at once", "[store][gc]") {
  Marked f;
  std::vector<std::string> names;
  for (int i = 0; i < 300; ++i)
    names.push_back(fmt::format("desk/set{}/20140125T100000Z-{:08x}", i % 7, i));
  std::sort(names.begin(), names.end());
  CHECK(make_marks(*f.backend, names) == names);
  CHECK(f.revisions() == names);
  CHECK(fs::is_empty(f.directory / "tmp"));
}

TEST_CASE("what is no mark below forgotten/ is passed over", "[store][gc]") {
  Marked f;
  make_marks(*f.backend, {kOne});
  const std::string set = f.directory / "forgotten/desk/docs/";
  write_file(set + "notes", "");
  write_file(f.directory / "forgotten/notes", "");
  fs::create_directories(set + "20140125T100000Z-6f0c2a7f");
  fs::create_directories(f.directory / "forgotten/.hidden/docs");
  CHECK(f.revisions() == std::vector<std::string>{kOne});
}

}  // namespace
}  // namespace reverse
