#include "libcore/catalog/sql.h"

#include <sqlite3.h>

#include <new>
#include <system_error>

namespace reverse::sql {
namespace {

ErrorKind kind_of(sqlite3* db, int code) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorKind::corrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorKind::busy;
    case SQLITE_FULL:
      return ErrorKind::no_space;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return ErrorKind::permission;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR: {
      int cause = sqlite3_system_errno(db);
      return cause == 0 ? ErrorKind::io : kind_of_errno(cause);
    }
    default:
      return ErrorKind::internal;
  }
}

/// What the operating system said, where SQLite's own words do not tell.
std::string cause_of(sqlite3* db, int code) {
  int base = code & 0xff;
  int cause = base == SQLITE_CANTOPEN || base == SQLITE_IOERR ? sqlite3_system_errno(db) : 0;
  return cause == 0 ? "" : fmt::format(" ({})", std::generic_category().message(cause));
}

}  // namespace

void Release::operator()(sqlite3* db) const noexcept {
  sqlite3_close_v2(db);
}
void Release::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_finalize(statement);
}

void check(sqlite3* db, int code) {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
  if (db == nullptr || (code & 0xff) == SQLITE_NOMEM) throw std::bad_alloc();
  const char* name = sqlite3_db_filename(db, "main");
  fail(kind_of(db, code), "'{}': {}{}", name == nullptr ? "" : name, sqlite3_errmsg(db),
       cause_of(db, code));
}

UniqueDb open(const std::string& path, Access access) {
  const bool writes = access == Access::read_write;
  sqlite3* raw = nullptr;
  int code = sqlite3_open_v2(
      path.c_str(), &raw,
      SQLITE_OPEN_NOMUTEX | (writes ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY), nullptr);
  UniqueDb db(raw);
  check(raw, code);
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, kBusyTimeout);
  // In WAL mode NORMAL keeps the file consistent through a power cut; at most the last transactions
  // are lost. The cell check and the untrusted schema keep SQLite safe from what a damaged file may
  // hold. Many small transactions write the same pages again and again: a log of up to 16 MiB before
  // they go to the file saves most of that.
  execute(raw,
          "PRAGMA synchronous = NORMAL; PRAGMA temp_store = FILE; PRAGMA wal_autocheckpoint = 4096;"
          "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;");
  execute(raw, writes ? "PRAGMA cache_size = -8192" : "PRAGMA cache_size = -2048");
  return db;
}

void execute(sqlite3* db, const std::string& script) {
  check(db, sqlite3_exec(db, script.c_str(), nullptr, nullptr, nullptr));
}

Rows::~Rows() {
  sqlite3_reset(statement_);
}

bool Rows::next() {
  int code = sqlite3_step(statement_);
  check(sqlite3_db_handle(statement_), code);
  return code == SQLITE_ROW;
}

bool Rows::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t Rows::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string_view Rows::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);  // before the size, as SQLite demands
  auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return data == nullptr ? std::string_view()
                         : std::string_view(static_cast<const char*>(data), size);
}

Statement::Statement(sqlite3* db, std::string_view text) {
  sqlite3_stmt* raw = nullptr;
  int code = sqlite3_prepare_v3(db, text.data(), static_cast<int>(text.size()),
                                SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  statement_.reset(raw);
  check(db, code);
}

void Statement::start(std::size_t parameters) {
  int wanted = sqlite3_bind_parameter_count(statement_.get());
  if (static_cast<std::size_t>(wanted) != parameters)
    fail(ErrorKind::internal, "{} values for {} parameters of: {}", parameters, wanted,
         sqlite3_sql(statement_.get()));
}

void Statement::bind_integer(int at, std::int64_t value) {
  check(sqlite3_db_handle(statement_.get()), sqlite3_bind_int64(statement_.get(), at, value));
}

void Statement::bind_null(int at) {
  check(sqlite3_db_handle(statement_.get()), sqlite3_bind_null(statement_.get(), at));
}

void Statement::bind(int at, Blob value) {
  const char* data =
      value.bytes.data() == nullptr ? "" : value.bytes.data();  // NULL would bind NULL
  check(sqlite3_db_handle(statement_.get()),
        sqlite3_bind_blob64(statement_.get(), at, data, value.bytes.size(), SQLITE_TRANSIENT));
}

void Statement::bind(int at, std::string_view value) {
  const char* data = value.data() == nullptr ? "" : value.data();
  check(
      sqlite3_db_handle(statement_.get()),
      sqlite3_bind_text64(statement_.get(), at, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

Transaction::Transaction(sqlite3* db, Begin begin) : db_(db) {
  execute(db_, begin == Begin::immediate ? "BEGIN IMMEDIATE" : "BEGIN");
}

Transaction::~Transaction() {
  if (open_) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  execute(db_, "COMMIT");
  open_ = false;
}

}  // namespace reverse::sql
