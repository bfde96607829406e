#include "libcore/catalog/catalog.h"

#include <catch2/catch.hpp>
#include <limits>
#include <random>

#include "libcore/base/fd.h"
#include "libcore/base/temp_dir.h"
#include "libcore/catalog/file_row.h"
#include "tests/catalog/cache_files.h"
#include "tests/catalog/process.h"
#include "tests/catalog/rows.h"

using namespace reverse;

namespace {

/// A catalog in a directory of its own.
struct Fixture {
  TempDir home;
  Warnings warnings;
  std::unique_ptr<Catalog> catalog = Catalog::open(home.path(), warnings.sink());
  std::string file = home / "catalog-1.sqlite";

  void put(const FileRow& row) { catalog->put_files({&row, 1}); }
  /// The path is the one that is asked for: a file is found whatever it is called.
  std::optional<FileRow> find(std::uint64_t device, std::uint64_t inode, const std::string& path) {
    std::optional<FileRow> row = catalog->find_by_inode(device, inode);
    if (row) CHECK(row->path.empty());
    if (row) row->path = path;
    return row;
  }
};

}  // namespace

TEST_CASE("rows come back as they were put, with times and numbers at their limits", "[catalog]") {
  Fixture f;
  FileRow far = sample_row("/far", 1);
  far.mtime = {253402300799, 999999999};  // the end of 9999
  far.ctime = {std::numeric_limits<std::int64_t>::max(), 999999999};
  far.btime = Timestamp{std::numeric_limits<std::int64_t>::min(), 0};
  far.device = far.inode = far.size = std::numeric_limits<std::uint64_t>::max();
  FileRow bare;
  bare.path = "/near";
  bare.mtime = {-2, 500000000};  // 1.5 s before 1970
  f.put(far);
  f.put(bare);

  CHECK(rows_below(*f.catalog, "/") == std::vector{far, bare});
  CHECK(f.find(far.device, far.inode, "/far") == far);
}

TEST_CASE("putting a row again replaces it, under its new inode", "[catalog]") {
  Fixture f;
  f.put(sample_row("/a", 1));
  FileRow changed = sample_row("/a", 2);
  changed.sha256.reset();
  f.put(changed);

  CHECK(rows_below(*f.catalog, "/") == std::vector{changed});
  CHECK_FALSE(f.catalog->find_by_inode(64768, 1001));
  CHECK(f.find(64768, 1002, "/a") == changed);
  CHECK_FALSE(f.catalog->find_by_inode(64769, 1002));
}

TEST_CASE("a cursor gives the format's order, whatever bytes a name has", "[catalog]") {
  // '/' counts as the least byte, so a directory's content comes before its longer namesakes.
  const std::vector<std::string> ordered = {
      "/a",   "/a/\x01", "/a/b", "/a/b/c", "/a/\xff", "/a\x01",    "/a\x01/x", "/a!",       "/a!/z",
      "/a-b", "/a.b",    "/a0",  "/aa",    "/b",      "/\xc3\xa4", "/\xff",    "/\xff/\xff"};
  Fixture f;
  for (auto path = ordered.rbegin(); path != ordered.rend(); ++path) f.put(sample_row(*path, 1));

  CHECK(paths_below(*f.catalog, "/") == ordered);
  CHECK(paths_below(*f.catalog, "/a") ==
        std::vector<std::string>{"/a", "/a/\x01", "/a/b", "/a/b/c", "/a/\xff"});
  CHECK(paths_below(*f.catalog, "/a/b") == std::vector<std::string>{"/a/b", "/a/b/c"});
  CHECK(paths_below(*f.catalog, "/\xff") == std::vector<std::string>{"/\xff", "/\xff/\xff"});
  CHECK(paths_below(*f.catalog, "/c").empty());
}

TEST_CASE("a catalog is empty until the first row", "[catalog]") {
  Fixture f;
  CHECK(f.catalog->empty());
  CHECK(rows_below(*f.catalog, "/").empty());
  f.put(sample_row("/a", 1));
  CHECK_FALSE(f.catalog->empty());
}

TEST_CASE("a cursor holds up no writer, and misses nothing that was there before", "[catalog]") {
  Fixture f;
  const std::vector<FileRow> rows = sample_rows("d", 10'000);  // more than two chunks
  f.catalog->put_files(rows);

  auto cursor = f.catalog->files_below("/d");
  std::vector<std::string> seen;
  while (const FileRow* row = cursor->next()) {
    if (seen.size() == 5'000) {
      f.catalog->put_files(sample_rows("a", 10));  // behind the cursor
      Child child([&] {
        auto other = Catalog::open(f.home.path(), [](const std::string&) {});
        other->put_files(sample_rows("d", 10'000));  // ahead and behind, the same
      });
      REQUIRE(child.exit_code() == 0);
    }
    seen.push_back(row->path);
  }
  std::vector<std::string> expected;
  for (const FileRow& row : rows) expected.push_back(row.path);
  CHECK(seen == expected);
}

TEST_CASE("a cursor goes on behind the path that it is told, whatever it has read ahead", "[catalog]") {
  Fixture f;
  for (const char* path : {"/d", "/d/a", "/d/a/x", "/d/a-b", "/d/b", "/d/c", "/e"})
    f.put(sample_row(path, 1));
  auto cursor = f.catalog->files_below("/d");
  CHECK(cursor->next()->path == "/d");
  cursor->skip_to("/d/a");
  CHECK(cursor->next()->path == "/d/a/x");
  cursor->skip_to("/d/b");
  CHECK(cursor->next()->path == "/d/c");
  cursor->skip_to("/d/d");
  CHECK(cursor->next() == nullptr);
}

TEST_CASE("wherever a cursor skips to, it misses no row and gives none twice", "[catalog]") {
  Fixture f;
  std::vector<std::string> paths = {"/"};
  for (const char* above : {"/d", "/d/a", "/d/a/deep", "/d/a-b", "/e"}) {
    paths.push_back(above);
    for (int i = 0; i < 60; ++i) paths.push_back(fmt::format("{}/{:02}", above, i));
  }
  for (const std::string& path : paths) f.put(sample_row(path, 1));
  const auto is_before = [](const std::string& a, const std::string& b) {
    return key_of_path(a) < key_of_path(b);
  };
  std::sort(paths.begin(), paths.end(), is_before);
  std::mt19937 random(5);  // NOLINT(cert-msc51-cpp): the same in each run
  for (const std::string base : {"/", "/d", "/d/a"}) {
    std::vector<std::string> below;
    for (const std::string& path : paths)
      if (base == "/" || path == base || path.starts_with(base + "/")) below.push_back(path);
    for (int round = 0; round < 30; ++round) {
      auto cursor = f.catalog->files_below(base);
      for (std::size_t at = 0; at < below.size();) {
        for (std::size_t few = random() % 5; few > 0 && at < below.size(); --few)
          CHECK(cursor->next()->path == below[at++]);
        if (at == 0 || at == below.size()) continue;
        at += random() % std::min<std::size_t>(below.size() - at, 40);
        cursor->skip_to(below[at - 1]);
      }
      CHECK(cursor->next() == nullptr);
    }
  }
}

TEST_CASE("noted rows go only when they are to be removed", "[catalog]") {
  Fixture f;
  const std::vector<FileRow> rows = sample_rows("d", 9'000);
  f.catalog->put_files(rows);
  std::vector<std::string> gone;
  for (std::size_t i = 1; i < rows.size(); ++i) gone.push_back(rows[i].path);

  f.catalog->note_gone(gone);
  CHECK(rows_below(*f.catalog, "/").size() == rows.size());
  f.catalog->forget_gone();
  f.catalog->remove_gone();
  CHECK(rows_below(*f.catalog, "/").size() == rows.size());

  f.catalog->note_gone(std::vector<std::string>{"/never/there", "/d/nor this"});
  f.catalog->note_gone(gone);
  f.catalog->remove_gone();
  CHECK(rows_below(*f.catalog, "/") == std::vector{rows[0]});

  f.catalog->put_files(rows);
  f.catalog->remove_gone();  // the notes went with their rows
  CHECK(rows_below(*f.catalog, "/").size() == rows.size());
}

TEST_CASE("a directory that is put with its number takes along what is below it", "[catalog]") {
  Fixture f;
  const auto directory = [](const std::string& path, std::uint64_t number) {
    FileRow row = sample_row(path, number);
    row.md5.reset(), row.sha256.reset(), row.check.reset();
    return row;
  };
  const std::vector<FileRow> rows = {directory("/d", 1), sample_row("/d/x", 2), directory("/e", 3),
                                     sample_row("/e/y", 4)};
  f.catalog->put_files(rows);
  auto found = f.catalog->find_directories(64768, 1001);
  REQUIRE(found.size() == 1);
  CHECK(found[0].path == "/d");
  CHECK(f.catalog->find_directories(64768, 1002).empty());

  FileRow moved = directory("/e", 1);
  moved.number = found[0].number;
  f.put(moved);
  CHECK(paths_below(*f.catalog, "/") == std::vector<std::string>{"/e", "/e/x"});
  found = f.catalog->find_directories(64768, 1003);
  REQUIRE(found.size() == 1);
  CHECK(found[0].path.empty());  // it has lost its name

  SECTION("and what had its name goes") {
    f.catalog->remove_gone();
    CHECK_FALSE(f.catalog->find_by_inode(64768, 1004));
  }
  SECTION("or is put elsewhere") {
    FileRow other = directory("/e/inside", 3);
    other.number = found[0].number;
    f.put(other);
    f.catalog->remove_gone();
    CHECK(paths_below(*f.catalog, "/") ==
          std::vector<std::string>{"/e", "/e/inside", "/e/inside/y", "/e/x"});
    const auto cursor = f.catalog->files_in(moved.number, "/as");
    CHECK(cursor->next()->path == "/as/inside");
    cursor->skip_below();
    CHECK(cursor->next()->path == "/as/x");
    CHECK(cursor->next() == nullptr);
  }
  SECTION("but never lies below itself") {
    FileRow below = directory("/e/below", 1);
    below.number = moved.number;
    f.put(below);
    CHECK(paths_below(*f.catalog, "/") == std::vector<std::string>{"/e", "/e/below", "/e/x"});
  }
  CHECK(f.warnings.texts.empty());
}

TEST_CASE("what lies below a noted row goes with it", "[catalog]") {
  Fixture f;
  f.catalog->put_files(sample_rows("d/e", 5'000));  // more than one transaction
  f.put(sample_row("/kept", 9'999));
  f.catalog->note_gone(std::vector<std::string>{"/d"});
  f.catalog->remove_gone();
  CHECK(paths_below(*f.catalog, "/") == std::vector<std::string>{"/kept"});
  CHECK_FALSE(f.catalog->find_by_inode(64768, 1001));
}

TEST_CASE("a tree goes however deep it is", "[catalog]") {
  Fixture f;
  std::string deep;
  for (int level = 0; level < 60'000; ++level) deep += "/d";
  f.put(sample_row(deep, 1));
  f.catalog->note_gone(std::vector<std::string>{"/d"});
  f.catalog->remove_gone();
  CHECK(f.catalog->files_below("/")->next() == nullptr);
  CHECK_FALSE(f.catalog->find_by_inode(64768, 1001));
}

TEST_CASE("notes of gone rows end with the process", "[catalog]") {
  Fixture f;
  f.put(sample_row("/a", 1));
  f.catalog->note_gone(std::vector<std::string>{"/a"});
  f.catalog.reset();
  f.catalog = Catalog::open(f.home.path(), f.warnings.sink());
  f.catalog->remove_gone();
  CHECK(paths_below(*f.catalog, "/") == std::vector<std::string>{"/a"});
}

TEST_CASE("sources are kept for each set, and repositories for each place", "[catalog]") {
  Fixture f;
  const SourceRow home{"/home", "host/home", 64768, "ext4", 100};
  const SourceRow other{"/home", "host/other", 1, "fuse.sshfs", 7};
  CHECK_FALSE(f.catalog->source("/home", "host/home"));
  f.catalog->put_source(home);
  f.catalog->put_source(other);
  f.catalog->put_source({"/home", "host/home", 64768, "ext4", 101});

  const auto found = f.catalog->source("/home", "host/home");
  REQUIRE(found);
  CHECK(found->entries == 101);
  CHECK(found->device == 64768);
  CHECK(found->file_system == "ext4");
  CHECK(f.catalog->source("/home", "host/other")->file_system == "fuse.sshfs");

  CHECK_FALSE(f.catalog->repository_at("/backup"));
  f.catalog->put_repository_at("/backup", "id-1");
  f.catalog->put_repository_at("/backup", "id-2");
  CHECK(f.catalog->repository_at("/backup") == "id-2");
  CHECK_FALSE(f.catalog->repository_at("/backup/x"));
}

TEST_CASE("a run that learns nothing new leaves the catalog's file as it was", "[catalog]") {
  Fixture f;
  const SourceRow source{"/d", "host/d", 64768, "ext4", 100};
  f.catalog->put_files(sample_rows("d", 100));
  f.catalog->put_source(source);
  f.catalog->put_repository_at("/backup", "id");
  f.catalog.reset();
  const std::string before = read_file(f.file);
  const auto written = std::filesystem::last_write_time(f.file);

  f.catalog = Catalog::open(f.home.path(), f.warnings.sink());
  CHECK(rows_below(*f.catalog, "/d").size() == 100);
  f.catalog->find_by_inode(64768, 1001);
  f.catalog->put_files({});
  f.catalog->note_gone({});
  f.catalog->remove_gone();
  f.catalog->put_source(source);
  f.catalog->put_repository_at("/backup", "id");
  const std::string log = f.file + "-wal";
  CHECK((!std::filesystem::exists(log) || std::filesystem::file_size(log) == 0));
  f.catalog.reset();

  CHECK(read_file(f.file) == before);
  CHECK(std::filesystem::last_write_time(f.file) == written);
  CHECK(names_in(f.home.path()) ==
        std::vector<std::string>{"catalog-1.sqlite", "catalog-1.sqlite.lock"});
}

TEST_CASE("a row that rotted on disk is not believed, and mended by putting it again",
          "[catalog]") {
  const std::string column =
      GENERATE("xxh3 = zeroblob(16)", "md5 = zeroblob(16)", "sha256 = NULL", "size = size + 1",
               "mtime_ns = 0", "ctime_s = 1", "btime_s = NULL", "inode = 1001", "has_xattrs = 1");
  Fixture f;
  const std::vector<FileRow> rows = {sample_row("/a", 0), sample_row("/b", 1)};
  f.catalog->put_files(rows);
  f.catalog.reset();
  run_sql(f.file, "UPDATE file SET " + column + " WHERE inode = 1000");

  f.catalog = Catalog::open(f.home.path(), f.warnings.sink());
  INFO(column);
  CHECK(rows_below(*f.catalog, "/") == std::vector{rows[1]});
  CHECK_FALSE(f.catalog->find_by_inode(64768, 1000));
  CHECK(f.find(64768, 1001, "/b") == rows[1]);
  f.put(rows[0]);
  CHECK(rows_below(*f.catalog, "/") == rows);
  CHECK(f.warnings.texts.empty());
}

TEST_CASE("two processes write to one catalog at once", "[catalog]") {
  const TempDir home;
  auto write = [&](const std::string& directory) {
    // Both may be the first: one of them makes the file.
    auto catalog = Catalog::open(home / "cache", [](const std::string& text) {
      fail(ErrorKind::internal, "warned: {}", text);
    });
    const std::vector<FileRow> rows = sample_rows(directory, 3'000);
    for (std::size_t i = 0; i < rows.size(); i += 50)
      catalog->put_files(std::span(rows).subspan(i, 50));
  };
  Child one([&] { write("one"); });
  Child two([&] { write("two"); });
  CHECK(one.exit_code() == 0);
  CHECK(two.exit_code() == 0);

  Warnings warnings;
  auto catalog = Catalog::open(home / "cache", warnings.sink());
  CHECK(rows_below(*catalog, "/one") == sample_rows("one", 3'000));
  CHECK(rows_below(*catalog, "/two") == sample_rows("two", 3'000));
  CHECK(warnings.texts.empty());
}
