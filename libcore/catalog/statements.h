#pragma once

#include "libcore/catalog/sql.h"

namespace reverse {

extern const std::string_view kCatalogSchema;  ///< schema/catalog.sql, embedded by the build
extern const std::string_view kPresentSchema;  ///< schema/present.sql
extern const std::string_view kVerifiedSchema;  ///< schema/verified.sql

/// All statements on the catalog, prepared when it is opened. `SELECT *` of `file`: its columns are
/// read by place, in one function (file_row.h).
struct CatalogStatements {
  explicit CatalogStatements(sqlite3* connection) : db(with_gone(connection)) {}

  sqlite3* db;
  sql::Statement put_file{
      db, "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
  sql::Statement find_files_by_inode{db, "SELECT * FROM file WHERE device = ? AND inode = ?"};
  sql::Statement find_any_file{db, "SELECT 1 FROM file LIMIT 1"};

  sql::Statement note_gone{db, "INSERT INTO temp.gone (path) VALUES (?)"};
  sql::Statement last_gone{db, "SELECT coalesce(max(id), 0) FROM temp.gone"};
  sql::Statement remove_gone{
      db,
      "DELETE FROM main.file WHERE path IN (SELECT path FROM temp.gone WHERE id > ? AND id <= ?)"};
  sql::Statement forget_gone{db, "DELETE FROM temp.gone"};

  sql::Statement find_source{
      db, "SELECT device, file_system, entries FROM source WHERE path = ? AND set_name = ?"};
  sql::Statement put_source{db, "INSERT OR REPLACE INTO source VALUES (?, ?, ?, ?, ?)"};
  sql::Statement find_repository{db, "SELECT id FROM repository WHERE location = ?"};
  sql::Statement put_repository{db, "INSERT OR REPLACE INTO repository VALUES (?, ?)"};

 private:
  /// Paths whose rows are to go: for this connection only, kept in a file that has no name.
  static sqlite3* with_gone(sqlite3* connection) {
    sql::execute(connection,
                 "CREATE TEMP TABLE gone (id INTEGER PRIMARY KEY, path BLOB NOT NULL) STRICT");
    return connection;
  }
};

/// The one statement of a reader's connection: the rows from one key up to another, a chunk at a
/// time.
struct CursorStatements {
  explicit CursorStatements(sqlite3* connection) : db(connection) {}

  sqlite3* db;
  sql::Statement files_between{
      db, "SELECT * FROM file WHERE path >= ? AND path < ? ORDER BY path LIMIT ?"};
};

/// All statements on a present set.
struct PresentStatements {
  explicit PresentStatements(sqlite3* connection) : db(connection) {}

  sqlite3* db;
  sql::Statement find_state{db, "SELECT token, revision FROM state"};
  sql::Statement put_token{db, "UPDATE state SET token = ?, revision = ''"};
  sql::Statement put_revision{db, "UPDATE state SET revision = ?"};
  sql::Statement take_run{db, "UPDATE state SET next_run = next_run + 1 RETURNING next_run - 1"};

  sql::Statement list_published_runs{db, "SELECT id FROM published_run"};
  sql::Statement put_published_run{db, "INSERT OR IGNORE INTO published_run VALUES (?)"};
  sql::Statement drop_published_runs{db, "DELETE FROM published_run"};

  sql::Statement count_objects{db, "SELECT count(*) FROM object"};
  sql::Statement find_object{db, "SELECT size, xxh3, run FROM object WHERE name = ?"};
  // What a published run has seen stays its, lest it become a hint when this run fails.
  sql::Statement put_object{
      db,
      "INSERT INTO object (name, size, xxh3, run) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE "
      "SET"
      " run = CASE WHEN size = excluded.size AND run IN (SELECT id FROM published_run)"
      " THEN run ELSE excluded.run END,"
      " xxh3 = CASE WHEN size = excluded.size THEN coalesce(excluded.xxh3, xxh3)"
      " ELSE excluded.xxh3 END,"
      " size = excluded.size"};
};

/// All statements on a memory of verified objects.
struct VerifiedStatements {
  explicit VerifiedStatements(sqlite3* connection) : db(connection) {}

  sqlite3* db;
  sql::Statement list_objects{
      db, "SELECT name, verified FROM object WHERE name >= ? AND name < ? ORDER BY name"};
  sql::Statement count_by_minute{db, "SELECT verified / 60, count(*) FROM object GROUP BY 1"};
  sql::Statement put_object{db, "INSERT OR REPLACE INTO object VALUES (?, ?)"};
  sql::Statement remove_object{db, "DELETE FROM object WHERE name = ?"};
};

}  // namespace reverse
