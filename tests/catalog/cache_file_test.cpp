#include "libcore/catalog/cache_file.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <thread>

#include "libcore/base/temp_dir.h"
#include "libcore/catalog/catalog.h"
#include "libcore/catalog/present_set.h"
#include "tests/catalog/cache_files.h"
#include "tests/catalog/process.h"
#include "tests/catalog/rows.h"
#include "tests/support/skip.h"

using namespace reverse;
using Catch::Matchers::Contains;

namespace {

/// A closed catalog of `count` rows that something is about to happen to.
struct Fixture {
  explicit Fixture(std::size_t count) {
    Catalog::open(home.path(), warnings.sink())->put_files(sample_rows("d", count));
  }
  std::unique_ptr<Catalog> open() { return Catalog::open(home.path(), warnings.sink()); }
  /// The names that files were set aside under, logs among them.
  std::vector<std::string> aside() const {
    std::vector<std::string> names;
    for (const std::string& name : names_in(home.path()))
      if (name.starts_with("catalog-1.sqlite.damaged-")) names.push_back(home / name);
    return names;
  }

  TempDir home;
  Warnings warnings;
  std::string file = home / "catalog-1.sqlite";
};

void check_works_from_scratch(Fixture& f) {
  auto catalog = f.open();
  CHECK(catalog->empty());
  catalog->put_files(sample_rows("d", 10));
  catalog.reset();
  CHECK(rows_below(*f.open(), "/").size() == 10);
}

unsigned mode_of(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

}  // namespace

TEST_CASE("a file that is no catalog is kept aside, told once, and made anew", "[catalog]") {
  Fixture f(1'000);
  std::string told;
  SECTION("without content") {
    write_file(f.file, "");
    told = "is empty";
  }
  SECTION("a text") {
    write_file(f.file, std::string(5'000, 'x'));
    told = "not a database";
  }
  SECTION("cut short") {
    std::filesystem::resize_file(f.file, std::filesystem::file_size(f.file) / 2 + 100);
    told = "is damaged";
  }
  SECTION("noise at its beginning") {
    scribble(f.file, 0, 512);
    told = "is damaged";
  }
  SECTION("noise in its middle") {
    scribble(f.file, std::filesystem::file_size(f.file) / 2, 10'000);
    told = "is damaged";
  }
  SECTION("another program's database") {
    std::filesystem::remove(f.file);
    run_sql(f.file, "CREATE TABLE file (path BLOB); PRAGMA user_version = 2");
    told = "another program";
  }
  SECTION("of a later version") {
    run_sql(f.file, "PRAGMA user_version = 3");
    told = "version 3 instead of 2";
  }
  SECTION("with a table missing") {
    run_sql(f.file, "DROP TABLE source");
    told = "no such table";
  }
  const std::string bytes = read_file(f.file);

  f.open();
  REQUIRE(f.warnings.texts.size() == 1);
  CHECK_THAT(f.warnings.texts[0], Contains(told));
  REQUIRE(f.aside().size() == 1);
  CHECK(read_file(f.aside()[0]) == bytes);
  CHECK_THAT(f.warnings.texts[0], Contains(f.aside()[0]));
  check_works_from_scratch(f);
  CHECK(f.warnings.texts.size() == 1);
}

TEST_CASE("what is set aside twice within a second is kept twice", "[catalog]") {
  Fixture f(1);
  for (const char* text : {"first", "second"}) {
    write_file(f.file, text);
    f.open();
  }
  REQUIRE(f.aside().size() == 2);
  CHECK(read_file(f.aside()[0]) + read_file(f.aside()[1]) == "firstsecond");
}

TEST_CASE("something other than a file is set aside as well", "[catalog]") {
  Fixture f(1);
  std::filesystem::remove(f.file);
  REQUIRE(::mkfifo(f.file.c_str(), 0600) == 0);
  f.open();
  CHECK_THAT(f.warnings.texts.at(0), Contains("not a regular file"));
  check_works_from_scratch(f);
}

TEST_CASE("damage that shows in use ends that use, and the next start sets the file aside",
          "[catalog]") {
  Fixture f(20'000);  // too large to be checked whole when opened
  scribble(f.file, std::filesystem::file_size(f.file) / 2, 100'000);
  {
    auto catalog = f.open();
    REQUIRE(f.warnings.texts.empty());
    REQUIRE(error_of([&] {
              rows_below(*catalog, "/");
              for (std::uint64_t i = 0; i < 20'000; ++i) catalog->find_by_inode(64768, 1000 + i);
            }) == ErrorKind::corrupt);
  }
  f.open();
  REQUIRE(f.warnings.texts.size() == 1);
  CHECK_THAT(f.warnings.texts[0], Contains("found damaged in use"));
  check_works_from_scratch(f);
  CHECK(f.warnings.texts.size() == 1);
}

TEST_CASE("the log of a killed process is played in, and goes aside with a damaged file",
          "[catalog]") {
  TempDir home;
  Signal written;
  Child child([&] {
    auto catalog = Catalog::open(home.path(), [](const std::string&) {});
    catalog->put_files(sample_rows("d", 10));
    written.give();
    ::pause();
  });
  written.await();
  child.kill();
  const std::string file = home / "catalog-1.sqlite";
  REQUIRE(std::filesystem::file_size(file + "-wal") > 0);

  Warnings warnings;
  SECTION("whole") {
    CHECK(rows_below(*Catalog::open(home.path(), warnings.sink()), "/") == sample_rows("d", 10));
    CHECK(warnings.texts.empty());
  }
  SECTION("damaged") {
    write_file(file, "no database");
    CHECK(rows_below(*Catalog::open(home.path(), warnings.sink()), "/").empty());
    CHECK(warnings.texts.size() == 1);
  }
}

TEST_CASE("a catalog in use is waited for, never set aside", "[catalog]") {
  Fixture f(10);
  Signal locked;
  SECTION("while another process writes") {
    Child writer([&] {
      sql::UniqueDb db = sql::open(f.file, sql::Access::read_write);
      sql::Transaction transaction(db.get(), sql::Begin::immediate);
      locked.give();
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      transaction.commit();
    });
    locked.await();
    auto catalog = f.open();
    CHECK(rows_below(*catalog, "/").size() == 10);
    catalog->put_files(sample_rows("e", 10));
    CHECK(writer.exit_code() == 0);
    CHECK(f.aside().empty());
  }
  SECTION("though it must be made anew") {
    const std::string finished = f.home / "finished";
    Child user([&] {
      auto catalog = f.open();
      locked.give();
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      write_file(finished, "");
    });
    locked.await();
    scribble(f.file, 0, 512);
    auto catalog = f.open();
    CHECK(std::filesystem::exists(finished));
    CHECK(f.warnings.texts.size() == 1);
    CHECK(catalog->empty());
  }
}

TEST_CASE("processes that start together with no catalog yet come to share one", "[catalog]") {
  auto warn = [](const std::string& text) { fail(ErrorKind::internal, "warned: {}", text); };
  for (int round = 0; round < 20; ++round) {
    TempDir home;
    Signal go, opened[3];
    auto run = [&](int number) {
      go.await();
      auto catalog = Catalog::open(home.path(), warn);
      catalog->put_files(sample_rows(std::to_string(number), 1));
      opened[number].give();
      ::pause();  // as a run that lasts
    };
    Child one([&] { run(0); }), two([&] { run(1); }), three([&] { run(2); });
    for (int i = 0; i < 3; ++i) go.give();
    for (Signal& signal : opened) signal.await();
    CHECK(rows_below(*Catalog::open(home.path(), warn), "/").size() == 3);
  }
}

TEST_CASE("caches are for their owner alone, whatever the umask", "[catalog]") {
  const mode_t umask = GENERATE(0000, 0077, 0777);
  TempDir home;
  const mode_t before = ::umask(umask);
  {
    auto catalog = Catalog::open(home / "a/b", [](const std::string&) {});
    auto present = PresentSet::open(home / "a/b", "id", [](const std::string&) {});
    catalog->put_files(sample_rows("d", 10));
    present->begin("token", false);
    CHECK(names_in(home / "a/b").size() == 8);  // each with its log, shared memory and lock
    for (const std::string& name : names_in(home / "a/b")) {
      INFO(name);
      CHECK(mode_of(home / ("a/b/" + name)) == 0600);
    }
  }
  ::umask(before);
  CHECK(mode_of(home / "a") == 0700);
  CHECK(mode_of(home / "a/b") == 0700);
}

TEST_CASE("a cache directory that cannot be written is told, and nothing set aside", "[catalog]") {
  Fixture f(10);
  const bool existing = GENERATE(true, false);
  if (!existing) std::filesystem::remove(f.file);
  REQUIRE(::chmod(f.home.path().c_str(), 0500) == 0);
  CHECK(error_of([&] { f.open(); }) == ErrorKind::permission);
  REQUIRE(::chmod(f.home.path().c_str(), 0700) == 0);
  CHECK(f.warnings.texts.empty());
  CHECK(f.aside().empty());
}

TEST_CASE("a full disk under the cache loses no row that was there", "[catalog][root]") {
  TempDir home;
  constexpr int kNotPermitted = 2;
  Child child([&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", home.path().c_str(), "tmpfs", 0, "size=1m") != 0)
      ::_exit(kNotPermitted);
    auto open = [&] {
      return Catalog::open(home.path(),
                           [](const std::string&) { fail(ErrorKind::internal, "set aside"); });
    };
    auto catalog = open();
    catalog->put_files(sample_rows("d", 100));
    auto overfill = [&] { catalog->put_files(sample_rows("e", 100'000)); };
    if (error_of(overfill) != ErrorKind::no_space) fail(ErrorKind::internal, "not told");
    if (rows_below(*catalog, "/").size() != 100) fail(ErrorKind::internal, "rows lost");
    catalog.reset();
    if (rows_below(*open(), "/").size() != 100) fail(ErrorKind::internal, "rows lost when closed");
  });
  const int code = child.exit_code();
  if (code == kNotPermitted) SKIP_LOUDLY("a file system cannot be mounted here");
  CHECK(code == 0);
}
