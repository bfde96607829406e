#pragma once

#include "libcore/catalog/sql.h"

namespace reverse {

extern const std::string_view kCatalogSchema;  ///< schema/catalog.sql, embedded by the build
extern const std::string_view kPresentSchema;  ///< schema/present.sql
extern const std::string_view kVerifiedSchema;  ///< schema/verified.sql
extern const std::string_view kHistorySchema;  ///< schema/history.sql
extern const std::string_view kServersSchema;  ///< schema/servers.sql
extern const std::string_view kUploadsSchema;  ///< schema/uploads.sql
extern const std::string_view kTranslationsSchema;  ///< schema/translations.sql

inline constexpr const char* kFindFile = "SELECT * FROM file WHERE parent = ? AND name = ?";

/// All statements on the catalog, prepared when it is opened. `SELECT *` of `file`: its columns are
/// read by place, in one function (file_row.h).
struct CatalogStatements {
  explicit CatalogStatements(sqlite3* connection) : db(with_gone(connection)) {}

  sqlite3* db;
  // What lies below a row stays there, whatever the row says now.
  sql::Statement put_file{
      db,
      "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (parent, name) DO UPDATE SET number = coalesce(number, excluded.number),"
      " device = excluded.device, inode = excluded.inode, size = excluded.size,"
      " mtime_s = excluded.mtime_s, mtime_ns = excluded.mtime_ns,"
      " ctime_s = excluded.ctime_s, ctime_ns = excluded.ctime_ns,"
      " btime_s = excluded.btime_s, btime_ns = excluded.btime_ns,"
      " md5 = excluded.md5, sha256 = excluded.sha256, xxh3 = excluded.xxh3,"
      " has_xattrs = excluded.has_xattrs, row_sum = excluded.row_sum"};
  sql::Statement find_number{db, "SELECT number FROM file WHERE parent = ? AND name = ?"};
  sql::Statement last_number{db, "SELECT max(number) FROM file WHERE number IS NOT NULL"};
  sql::Statement put_parent{db, "INSERT INTO file (parent, name, number) VALUES (?, ?, ?)"};
  sql::Statement give_number{db, "UPDATE file SET number = ?3 WHERE parent = ?1 AND name = ?2"};
  sql::Statement find_file{db, kFindFile};
  sql::Statement leave_place{
      db, "DELETE FROM file WHERE number = ? AND NOT (parent = ? AND name = ?)"};
  sql::Statement list_in{db, "SELECT name, number FROM file WHERE parent = ? LIMIT ?"};
  sql::Statement remove_file{db, "DELETE FROM file WHERE parent = ? AND name = ?"};
  sql::Statement find_any_file{db, "SELECT 1 FROM file LIMIT 1"};

  sql::Statement note_gone{db, "INSERT INTO temp.gone (path) VALUES (?)"};
  sql::Statement list_gone{db, "SELECT id, path FROM temp.gone WHERE id > ? ORDER BY id LIMIT ?"};
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

/// The statements of a cursor's connection.
struct CursorStatements {
  explicit CursorStatements(sqlite3* connection) : db(connection) {}

  sqlite3* db;
  sql::Statement find_file{db, kFindFile};
  sql::Statement files_in{
      db, "SELECT * FROM file WHERE parent = ? AND name > ? ORDER BY name LIMIT ?"};
};

/// The statements of the connection that files are looked up by.
struct FinderStatements {
  explicit FinderStatements(sqlite3* connection) : db(connection) {}

  sqlite3* db;
  sql::Statement find_by_inode{db, "SELECT * FROM file WHERE device = ? AND inode = ?"};
  sql::Statement find_by_number{db, "SELECT parent, name FROM file WHERE number = ?"};
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

  sql::Statement put_page{db, "INSERT OR REPLACE INTO page VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"};
  sql::Statement drop_page{db, "DELETE FROM page WHERE source = ? AND first = ?"};
  sql::Statement drop_pages{db, "DELETE FROM page WHERE source = ? AND first >= ? AND first < ?"};
  sql::Statement drop_pages_from{db, "DELETE FROM page WHERE source = ? AND first >= ?"};
};

/// The one statement of a connection that reads pages, a chunk at a time.
struct PageStatements {
  explicit PageStatements(sqlite3* connection) : db(connection) {}

  sqlite3* db;
  sql::Statement pages_from{
      db,
      "SELECT first, seen, digest, xxh3, size, entries, run, marks FROM page "
      "WHERE source = ? AND first >= ? ORDER BY first LIMIT ?"};
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

/// All statements on a memory of translations.
struct TranslationStatements {
  explicit TranslationStatements(sqlite3* connection) : db(connection) {}

  sqlite3* db;
  sql::Statement find_translation{db, "SELECT other FROM translation WHERE name = ? AND size = ?"};
  sql::Statement put_translation{db, "INSERT OR REPLACE INTO translation VALUES (?, ?, ?)"};
};

/// All statements on a history.
struct HistoryStatements {
  explicit HistoryStatements(sqlite3* connection) : db(connection) {}

  sqlite3* db;
  sql::Statement put_set{db, "INSERT OR IGNORE INTO source_set (name) VALUES (?)"};
  sql::Statement find_set{db, "SELECT id FROM source_set WHERE name = ?"};
  sql::Statement list_revisions{
      db,
      "SELECT r.id, r.set_id, s.name, r.name, r.tree, r.tags, r.bytes, r.listed FROM revision AS r "
      "JOIN source_set AS s ON s.id = r.set_id ORDER BY r.id"};
  sql::Statement find_revision{db, "SELECT 1 FROM revision WHERE set_id = ? AND name = ?"};
  sql::Statement find_last_revision{
      db,
      "SELECT id, set_id, '', name, tree, tags, bytes, listed FROM revision WHERE set_id = ? "
      "ORDER BY id DESC LIMIT 1"};
  sql::Statement put_revision{
      db,
      "INSERT INTO revision (set_id, name, tree, tags, bytes) VALUES (?, ?, ?, ?, ?) RETURNING id"};
  sql::Statement unlist_revision{db, "UPDATE revision SET listed = 0 WHERE id = ?"};
  sql::Statement remove_unlisted{
      db,
      "DELETE FROM revision WHERE listed = 0 AND id < (SELECT max(id) FROM revision AS later "
      "WHERE later.set_id = revision.set_id)"};
  sql::Statement remove_unheld{
      db,
      "DELETE FROM entry WHERE last IS NOT NULL AND NOT EXISTS (SELECT 1 FROM revision AS r "
      "WHERE r.set_id = entry.set_id AND r.id BETWEEN entry.first AND entry.last)"};

  sql::Statement put_entry{
      db, "INSERT INTO entry VALUES (?, ?, ?, NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
  sql::Statement end_entry{
      db, "UPDATE entry SET last = ? WHERE set_id = ? AND path = ? AND last IS NULL"};
  sql::Statement end_entries{db, "UPDATE entry SET last = ? WHERE set_id = ? AND last IS NULL"};

  sql::Statement list_entries{
      db,
      "SELECT set_id, path, type, size, mtime, mtime_ns, first, last, mode, uid, gid, owner, "
      "content FROM entry WHERE size > ? AND size < ? AND mtime BETWEEN ? AND ?"};
  sql::Statement list_entries_of_content{
      db,
      "SELECT set_id, path, type, size, mtime, mtime_ns, first, last, mode, uid, gid, owner, "
      "content FROM entry WHERE size > ? AND size < ? AND mtime BETWEEN ? AND ? "
      "AND content >= ? AND content < ?"};

  sql::Statement sum_all{
      db, "SELECT count(*), sum(size) FROM (SELECT max(size) AS size FROM held GROUP BY content)"};
  sql::Statement sum_by_set{
      db,
      "SELECT set_id, count(*), sum(size) FROM (SELECT set_id, max(size) AS size FROM held "
      "GROUP BY set_id, content) GROUP BY set_id"};
  sql::Statement sum_held_alone{
      db,
      "SELECT lowest, count(*), sum(size) FROM (SELECT min(lowest) AS lowest, "
      "max(highest) AS highest, max(size) AS size FROM held GROUP BY content) "
      "WHERE lowest = highest GROUP BY lowest"};
  sql::Statement sum_arrivals{
      db,
      "SELECT first, count(*), sum(size) FROM entry WHERE is_new = 1 AND content IS NOT NULL "
      "GROUP BY first"};
};

/// All statements on a memory of servers.
struct ServerStatements {
  explicit ServerStatements(sqlite3* connection) : db(connection) {}

  sqlite3* db;
  sql::Statement find_server{
      db, "SELECT abilities FROM server WHERE location = ? AND greeting = ?"};
  sql::Statement put_server{db, "INSERT OR REPLACE INTO server VALUES (?, ?, ?)"};
};

/// All statements on a journal of uploads.
struct UploadStatements {
  explicit UploadStatements(sqlite3* connection) : db(connection) {}

  sqlite3* db;
  sql::Statement find_upload{
      db,
      "SELECT path, inode, size, mtime_s, mtime_ns, ctime_s, ctime_ns, temporary, confirmed, "
      "noted_s FROM upload WHERE set_name = ? AND path = ?"};
  sql::Statement list_uploads{
      db,
      "SELECT path, inode, size, mtime_s, mtime_ns, ctime_s, ctime_ns, temporary, confirmed, "
      "noted_s FROM upload WHERE set_name = ?"};
  sql::Statement put_upload{
      db, "INSERT OR REPLACE INTO upload VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
  sql::Statement remove_uploads{db, "DELETE FROM upload WHERE set_name = ?"};
};

}  // namespace reverse
