#include "libcore/catalog/catalog.h"

#include <mutex>
#include <utility>

#include "libcore/catalog/cache_file.h"
#include "libcore/catalog/file_cursor.h"
#include "libcore/catalog/file_row.h"
#include "libcore/catalog/file_writer.h"
#include "libcore/catalog/statements.h"

namespace reverse {
namespace {

constexpr std::int64_t kApplicationId = 0x72766361;  // schema/catalog.sql
constexpr std::int64_t kVersion = 2;
constexpr std::size_t kChunkRows = 4096;  // of one short transaction: some ten milliseconds
constexpr int kFindsPerView = 256;

/// Looks rows up while others write. Many look-ups share a view of the file: taking a new one for
/// each costs more than the look-up. Thread-safe.
class InodeFinder {
 public:
  explicit InodeFinder(std::shared_ptr<CacheFile> file) : file_(std::move(file)) {}

  std::optional<FileRow> find_file(std::uint64_t device, std::uint64_t inode) {
    std::optional<FileRow> found;
    in_view([&] {
      each_of(device, inode, [&](FileRow& row) {
        if (!row.md5 && !row.sha256) return true;
        row.path.clear();
        found = std::move(row);
        return false;
      });
    });
    return found;
  }

  std::vector<FileRow> find_directories(std::uint64_t device, std::uint64_t inode) {
    std::vector<FileRow> found;
    in_view([&] {
      each_of(device, inode, [&](const FileRow& row) {
        if (!row.md5 && !row.sha256 && row.number != 0) found.push_back(row);
        return true;
      });
      for (FileRow& row : found) row.path = path_of(row.number);
    });
    return found;
  }

  /// Rows were written: the next look-up is to see them.
  void renew() {
    std::lock_guard lock(mutex_);
    view_.reset();
  }

 private:
  template <typename Body>
  void in_view(Body&& body) {
    std::lock_guard lock(mutex_);
    file_->use([&] {
      if (!db_) {
        db_ = file_->open_reader();
        statements_.emplace(db_.get());
      }
      if (!view_) {
        view_.emplace(db_.get(), sql::Begin::deferred);
        finds_ = 0;
      }
      body();
      if (++finds_ == kFindsPerView) view_.reset();
    });
  }

  /// Until `body` returns false.
  template <typename Body>
  void each_of(std::uint64_t device, std::uint64_t inode, Body&& body) {
    sql::Rows rows = statements_->find_by_inode.query(device, inode);
    FileRow row;
    while (rows.next()) {
      // A damaged index may lead to any row.
      if (read_row(rows, "", row) && row.device == device && row.inode == inode && !body(row)) return;
    }
  }

  /// Empty where rows do not lead up to "/".
  std::string path_of(std::int64_t number) {
    std::string path;
    for (std::size_t depth = 0; depth < kDeepestDirectory; ++depth) {
      sql::Rows rows = statements_->find_by_number.query(number);
      if (!rows.next() || rows.integer(0) < 0) return "";
      number = rows.integer(0);
      if (number == 0) return path.empty() ? "/" : path;
      path.insert(0, rows.bytes(1)).insert(0, "/");
    }
    fail(ErrorKind::corrupt, "table `file` leads in circles");
  }

  const std::shared_ptr<CacheFile> file_;
  std::mutex mutex_;  // guards what follows
  sql::UniqueDb db_;
  std::optional<FinderStatements> statements_;
  std::optional<sql::Transaction> view_;
  int finds_ = 0;  // how many it has served
};

class SqliteCatalog : public Catalog {
  /// Every use of the connection: one at a time, damage noted.
  template <typename Body>
  auto use(Body&& body) {
    std::lock_guard lock(mutex_);
    return file_->use([&] { return body(*statements_); });
  }

 public:
  SqliteCatalog(const std::string& directory, const CacheFile::Warn& warn) {
    const CacheKind kind{"catalog", kCatalogSchema, kApplicationId, kVersion};
    file_ = CacheFile::open(directory + "/catalog-1.sqlite", kind, warn,
                            [&](sqlite3* db) { statements_.emplace(db); });
    finder_.emplace(file_);
  }

  std::unique_ptr<FileCursor> files_below(const std::string& path) override {
    return read_files_below(file_, path);
  }

  std::unique_ptr<FileCursor> files_in(std::int64_t number, const std::string& path) override {
    return read_files_in(file_, number, path);
  }

  std::optional<FileRow> find_by_inode(std::uint64_t device, std::uint64_t inode) override {
    return finder_->find_file(device, inode);
  }

  std::vector<FileRow> find_directories(std::uint64_t device, std::uint64_t inode) override {
    return finder_->find_directories(device, inode);
  }

  bool empty() override {
    return use(
        [](CatalogStatements& statements) { return !statements.find_any_file.query().next(); });
  }

  void put_files(std::span<const FileRow> rows) override {
    if (rows.empty()) return;
    use([&](CatalogStatements& statements) {
      sql::Transaction transaction(statements.db, sql::Begin::immediate);
      FileWriter writer(statements);
      for (const FileRow& row : rows) writer.put(row);
      transaction.commit();
    });
    finder_->renew();
  }

  void note_gone(std::span<const std::string> paths) override {
    if (paths.empty()) return;
    use([&](CatalogStatements& statements) {
      sql::Transaction transaction(statements.db, sql::Begin::deferred);
      for (const std::string& path : paths) statements.note_gone.execute(sql::Blob{path});
      transaction.commit();
    });
  }

  void remove_gone() override {
    use([](CatalogStatements& statements) {
      std::int64_t done = 0;  // id of the last note
      while (remove_some(statements, done)) {
      }
      if (done > 0) statements.forget_gone.execute();
    });
    finder_->renew();
  }

  void forget_gone() override {
    use([](CatalogStatements& statements) { statements.forget_gone.execute(); });
  }

  std::optional<SourceRow> source(const std::string& path, const std::string& set) override {
    return use([&](CatalogStatements& statements) -> std::optional<SourceRow> {
      sql::Rows rows = statements.find_source.query(sql::Blob{path}, set);
      if (!rows.next()) return std::nullopt;
      return SourceRow{path, set, static_cast<std::uint64_t>(rows.integer(0)),
                       std::string(rows.bytes(1)), static_cast<std::uint64_t>(rows.integer(2))};
    });
  }

  void put_source(const SourceRow& row) override {
    // What is there already is not written again: a run that changed nothing leaves the file as it
    // was.
    std::optional<SourceRow> known = source(row.path, row.set);
    if (known && known->device == row.device && known->file_system == row.file_system &&
        known->entries == row.entries)
      return;
    use([&](CatalogStatements& statements) {
      statements.put_source.execute(sql::Blob{row.path}, row.set, row.device, row.file_system,
                                    row.entries);
    });
  }

  std::optional<std::string> repository_at(const std::string& location) override {
    return use([&](CatalogStatements& statements) -> std::optional<std::string> {
      sql::Rows rows = statements.find_repository.query(sql::Blob{location});
      if (!rows.next()) return std::nullopt;
      return std::string(rows.bytes(0));
    });
  }

  void put_repository_at(const std::string& location, const std::string& repository_id) override {
    if (repository_at(location) == repository_id) return;
    use([&](CatalogStatements& statements) {
      statements.put_repository.execute(sql::Blob{location}, repository_id);
    });
  }

 private:
  /// One transaction. False if there was nothing left.
  static bool remove_some(CatalogStatements& statements, std::int64_t& done) {
    std::vector<std::pair<std::int64_t, std::string>> notes;
    {
      sql::Rows rows = statements.list_gone.query(done, kChunkRows);
      while (rows.next()) notes.emplace_back(rows.integer(0), rows.bytes(1));
    }
    if (notes.empty() && !statements.list_in.query(kDisplaced, 1).next()) return false;
    sql::Transaction transaction(statements.db, sql::Begin::immediate);
    FileWriter writer(statements);
    std::size_t rows = kChunkRows;
    for (const auto& [id, path] : notes) {
      if (rows == 0 || !writer.remove(path, rows)) break;
      done = id;
    }
    if (notes.empty()) writer.remove_displaced(rows);
    transaction.commit();
    return true;
  }

  std::mutex mutex_;
  std::shared_ptr<CacheFile> file_;
  std::optional<CatalogStatements> statements_;  // after the file: finalised before it is closed
  std::optional<InodeFinder> finder_;
};

}  // namespace

std::unique_ptr<Catalog> Catalog::open(const std::string& directory,
                                       const std::function<void(const std::string&)>& warn) {
  return std::make_unique<SqliteCatalog>(directory, warn);
}

}  // namespace reverse
