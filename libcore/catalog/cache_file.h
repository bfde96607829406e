#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/catalog/sql.h"

namespace reverse {

/// What a cache file must be.
struct CacheKind {
  std::string_view title;   ///< what messages call it
  std::string_view schema;  ///< schema/*.sql: what a fresh file gets
  std::int64_t application_id = 0;
  std::int64_t version = 0;
};

/// A SQLite file that may be thrown away, open for use. What is damaged or not ours is set aside
/// under PATH.damaged-TIME and made anew.
///
/// PATH.lock is held shared by every user, so that a file is only ever set aside while nobody has
/// it open: SQLite would remove the new file's log when it closes the old one. Whoever meets damage
/// in use writes a mark into the lock file, and the next `open` acts on it. Thread-safe but for the
/// connection itself.
class CacheFile {
 public:
  using Warn = std::function<void(const std::string&)>;
  /// Prepares the user's statements; throws if the connection has not the schema they need.
  using Prepare = std::function<void(sqlite3*)>;

  /// Opens or creates `path` (0600) and its directories (0700); changes nothing in a file that is
  /// in order. `warn` is called with the reason if a file was set aside. Waits up to 60 s for
  /// others, then throws `busy`; also `permission`, `no_space`, `io`.
  static std::shared_ptr<CacheFile> open(const std::string& path, const CacheKind& kind,
                                         const Warn& warn, const Prepare& prepare);

  sqlite3* db() const { return db_.get(); }
  /// Another connection to the file, for reading. Must not outlive this.
  sql::UniqueDb open_reader() const { return sql::open(path_, sql::Access::read_only); }

  /// Runs `body`, which uses a connection to this file. Damage that it meets is remembered for the
  /// next `open`, and thrown on as `corrupt` with a message that says so.
  template <typename Body>
  decltype(auto) use(Body&& body) {
    try {
      return std::forward<Body>(body)();
    } catch (Error& error) {
      if (error.kind() == ErrorKind::corrupt) throw_damaged(error);
      error.add_context(kind_.title);
      throw;
    }
  }

 private:
  CacheFile(std::string path, const CacheKind& kind) : path_(std::move(path)), kind_(kind) {}

  bool try_lock(int operation);
  void mend(const Warn& warn, const Prepare& prepare);
  std::optional<std::string> connect(const Prepare& prepare);
  std::optional<std::string> defect_of(sqlite3* db) const;
  void replace(const std::string& defect, const Warn& warn);
  void create();
  [[noreturn]] void throw_damaged(const Error& error);

  const std::string path_;
  const CacheKind kind_;
  UniqueFd lock_;
  sql::UniqueDb db_;
};

}  // namespace reverse
