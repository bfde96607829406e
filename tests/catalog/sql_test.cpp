#include "libcore/catalog/sql.h"

#include <catch2/catch.hpp>

#include "libcore/base/temp_dir.h"
#include "tests/catalog/cache_files.h"
#include "tests/catalog/rows.h"

using namespace reverse;

namespace {

/// A database with one table.
struct Fixture {
  Fixture() {
    run_sql(home / "db", "CREATE TABLE t (a INTEGER, b BLOB)");
    db = sql::open(home / "db", sql::Access::read_write);
  }
  std::int64_t count() {
    sql::Statement statement(db.get(), "SELECT count(*) FROM t");
    sql::Rows rows = statement.query();
    rows.next();
    return rows.integer(0);
  }

  TempDir home;
  sql::UniqueDb db;
};

}  // namespace

TEST_CASE("values come back as they were bound", "[sql]") {
  Fixture f;
  sql::Statement insert(f.db.get(), "INSERT INTO t VALUES (?, ?)");
  insert.execute(-5, sql::Blob{std::string_view("a\0b", 3)});
  insert.execute(std::optional<std::int64_t>(), sql::Blob{});
  sql::Statement select(f.db.get(), "SELECT a, b, typeof(b) FROM t ORDER BY rowid");
  sql::Rows rows = select.query();
  REQUIRE(rows.next());
  CHECK(rows.integer(0) == -5);
  CHECK(rows.bytes(1) == std::string_view("a\0b", 3));
  REQUIRE(rows.next());
  CHECK(rows.is_null(0));
  CHECK(rows.bytes(1).empty());
  CHECK(rows.bytes(2) == "blob");  // empty is not NULL
  CHECK_FALSE(rows.next());
}

TEST_CASE("a statement takes exactly as many values as it has parameters", "[sql]") {
  Fixture f;
  sql::Statement insert(f.db.get(), "INSERT INTO t VALUES (?, ?)");
  CHECK(error_of([&] { insert.execute(1); }) == ErrorKind::internal);
  CHECK(error_of([&] { insert.execute(1, 2, 3); }) == ErrorKind::internal);
  CHECK(f.count() == 0);
}

TEST_CASE("rows that are left early free their statement", "[sql]") {
  Fixture f;
  sql::execute(f.db.get(), "INSERT INTO t VALUES (1, x''), (2, x'')");
  sql::Statement select(f.db.get(), "SELECT a FROM t ORDER BY a");
  for (int turn = 0; turn < 2; ++turn) {
    sql::Rows rows = select.query();
    REQUIRE(rows.next());
    CHECK(rows.integer(0) == 1);
  }
  sql::execute(f.db.get(), "DROP TABLE t");  // refused while a statement reads it
}

TEST_CASE("a transaction that was not committed is undone", "[sql]") {
  Fixture f;
  {
    sql::Transaction transaction(f.db.get(), sql::Begin::immediate);
    sql::execute(f.db.get(), "INSERT INTO t VALUES (1, x'')");
  }
  CHECK(f.count() == 0);
  sql::Transaction transaction(f.db.get(), sql::Begin::immediate);
  sql::execute(f.db.get(), "INSERT INTO t VALUES (1, x'')");
  transaction.commit();
  CHECK(f.count() == 1);
}

TEST_CASE("what SQLite refuses is told by kind, and names the file", "[sql]") {
  Fixture f;
  CHECK(error_of([&] { sql::execute(f.db.get(), "SELECT nonsense"); }) == ErrorKind::internal);
  auto reader = sql::open(f.home / "db", sql::Access::read_only);
  CHECK(error_of([&] { sql::execute(reader.get(), "INSERT INTO t VALUES (1, x'')"); }) ==
        ErrorKind::permission);
  CHECK(error_of([&] { sql::open(f.home / "none", sql::Access::read_write); }) ==
        ErrorKind::not_found);

  write_file(f.home / "text", std::string(2'000, 'x'));
  try {
    sql::open(f.home / "text", sql::Access::read_only);
    FAIL("a text was opened as a database");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt);
    CHECK_THAT(error.what(), Catch::Matchers::Contains(f.home / "text"));
  }
}
