#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libcore/base/error.h"

struct sqlite3;
struct sqlite3_stmt;

/// Handles over SQLite's C interface; private to the catalog. One thread at a time per connection.
/// Errors: `corrupt` (damaged, or no database), `busy` (after the time-out), `no_space`,
/// `permission`, else `io` or `internal`; the message names the file.
namespace reverse::sql {

struct Release {
  void operator()(sqlite3* db) const noexcept;
  void operator()(sqlite3_stmt* statement) const noexcept;
};
using UniqueDb = std::unique_ptr<sqlite3, Release>;
using UniqueStatement = std::unique_ptr<sqlite3_stmt, Release>;

enum class Access { read_write, read_only };

/// Opens an existing file. Waits up to `kBusyTimeout` for others' locks; keeps at most 8 MiB
/// (readers 2 MiB) of pages.
UniqueDb open(const std::string& path, Access access);

/// How long to wait for another process, in milliseconds.
inline constexpr int kBusyTimeout = 60'000;

/// Runs statements that have no parameters and whose results nobody wants.
void execute(sqlite3* db, const std::string& script);

/// Throws what SQLite's result `code` means, unless it means success.
void check(sqlite3* db, int code);

/// Raw bytes to be bound as a BLOB; a plain string_view is bound as TEXT.
struct Blob {
  std::string_view bytes;
};

/// The rows of one run of a statement; resets the statement when destroyed. Columns count from 0.
class Rows {
 public:
  explicit Rows(sqlite3_stmt* statement) : statement_(statement) {}
  ~Rows();
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  /// Steps to the next row (the first at first); false after the last.
  bool next();

  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  /// The bytes of a BLOB or TEXT, empty for NULL. Valid until the next step.
  std::string_view bytes(int column) const;

 private:
  sqlite3_stmt* statement_;
};

/// A prepared statement. Lives no longer than its connection.
class Statement {
 public:
  Statement(sqlite3* db, std::string_view text);

  /// Binds all parameters in order and starts the statement. Bound bytes are copied.
  template <typename... Args>
  Rows query(const Args&... args) {
    start(sizeof...(Args));
    [[maybe_unused]] int at = 0;
    (bind(++at, args), ...);
    return Rows(statement_.get());
  }

  /// `query` for statements without rows.
  template <typename... Args>
  void execute(const Args&... args) {
    Rows rows = query(args...);
    while (rows.next()) {
    }
  }

 private:
  /// Checks the number of parameters.
  void start(std::size_t parameters);

  void bind_integer(int at, std::int64_t value);
  void bind_null(int at);
  void bind(int at, Blob value);
  void bind(int at, std::string_view value);
  void bind(int at, const std::string& value) { bind(at, std::string_view(value)); }
  template <std::integral T>
  void bind(int at, T value) {
    bind_integer(at, static_cast<std::int64_t>(value));
  }
  template <typename T>
  void bind(int at, const std::optional<T>& value) {
    value ? bind(at, *value) : bind_null(at);
  }

  UniqueStatement statement_;
};

enum class Begin {
  deferred,   ///< a stable view for reading
  immediate,  ///< takes the write lock at once, so that it cannot fail for it half-way
};

/// A transaction that is undone unless committed.
class Transaction {
 public:
  Transaction(sqlite3* db, Begin begin);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  sqlite3* db_;
  bool open_ = true;
};

}  // namespace reverse::sql
