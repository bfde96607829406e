#include "libcore/catalog/upload_journal.h"

#include <catch2/catch.hpp>

#include "libcore/base/fd.h"
#include "libcore/base/temp_dir.h"
#include "tests/catalog/rows.h"

using namespace reverse;

namespace {

constexpr char kRepository[] = "6f0c2a7e-0000-4000-8000-000000000000";

JournaledUpload sample(const std::string& path) {
  return {.path = path,
          .inode = ~std::uint64_t{0},
          .size = 1ull << 40,
          .mtime = {-5, 999'999'999},
          .ctime = {1390644000, 1},
          .temporary = "0123",
          .confirmed = 77,
          .noted = 1390644001};
}

}  // namespace

TEST_CASE("an upload that was noted is there for the next run of its set, until that has ended",
          "[catalog]") {
  const TempDir home;
  Warnings warnings;
  const auto open = [&] { return UploadJournal::open(home.path(), kRepository, warnings.sink()); };
  const std::string path = "/srv/\xff film";
  open()->put("desk/srv", sample(path));
  const std::optional<JournaledUpload> found = open()->find("desk/srv", path);
  REQUIRE(found);
  CHECK(found->path == path);
  CHECK(found->inode == sample("").inode);
  CHECK(found->size == sample("").size);
  CHECK(found->mtime == sample("").mtime);
  CHECK(found->ctime == sample("").ctime);
  CHECK(found->temporary == "0123");
  CHECK(found->confirmed == 77);
  CHECK(found->noted == 1390644001);
  CHECK_FALSE(open()->find("desk/other", path));

  JournaledUpload later = sample(path);
  later.confirmed = 78;
  open()->put("desk/srv", later);
  open()->put("desk/other", sample(path));
  CHECK(open()->find("desk/srv", path)->confirmed == 78);
  CHECK(open()->take_all("desk/srv").size() == 1);
  CHECK(open()->take_all("desk/srv").empty());
  CHECK(open()->find("desk/other", path));
  CHECK(warnings.texts.empty());
}
