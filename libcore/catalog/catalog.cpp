#include "libcore/catalog/catalog.h"

#include <algorithm>
#include <mutex>

#include "libcore/catalog/cache_file.h"
#include "libcore/catalog/file_row.h"
#include "libcore/catalog/statements.h"

namespace reverse {
namespace {

constexpr std::int64_t kApplicationId = 0x72766361;  // schema/catalog.sql
constexpr std::int64_t kVersion = 1;
constexpr std::size_t kChunkRows = 4096;  // of one short transaction: some ten milliseconds
constexpr std::size_t kFirstChunk = 32;   // where a few rows may be all that is wanted
constexpr int kFindsPerView = 256;

/// Reads chunk by chunk, each in a transaction of its own.
class ChunkedCursor : public FileCursor {
 public:
  ChunkedCursor(std::shared_ptr<CacheFile> file, const std::string& path)
      : file_(std::move(file)), keys_(keys_below(path)) {
    file_->use([&] {
      db_ = file_->open_reader();
      statements_.emplace(db_.get());
    });
  }

  const FileRow* next() override {
    while (at_ == filled_) {
      if (ended_) return nullptr;
      file_->use([&] { read_chunk(); });
    }
    return &chunk_[at_++];
  }

  void skip_to(const std::string& path) override {
    keys_.first = key_of_path(path);
    keys_.first += '\0';  // the least key above it
    at_ = filled_ = 0;
    wanted_ = kFirstChunk;
    ended_ = false;
  }

 private:
  void read_chunk() {
    at_ = filled_ = 0;
    if (chunk_.size() < wanted_) chunk_.resize(wanted_);
    std::size_t seen = 0;
    sql::Rows rows =
        statements_->files_between.query(sql::Blob{keys_.first}, sql::Blob{keys_.end}, wanted_);
    while (rows.next()) {
      // SQLite takes the order of keys in a damaged file as it finds it.
      if (rows.bytes(0) < keys_.first) fail(ErrorKind::corrupt, "table `file` is out of order");
      keys_.first = rows.bytes(0);
      keys_.first += '\0';  // the least key above this one
      if (read_row(rows, chunk_[filled_])) ++filled_;
      ++seen;
    }
    ended_ = seen < wanted_;
    wanted_ = std::min(wanted_ * 8, kChunkRows);
  }

  const std::shared_ptr<CacheFile> file_;
  sql::UniqueDb db_;
  std::optional<CursorStatements> statements_;
  KeyRange keys_;  // still to be read
  std::vector<FileRow> chunk_;
  std::size_t at_ = 0, filled_ = 0;
  std::size_t wanted_ = kFirstChunk;  // rows of the next chunk
  bool ended_ = false;
};

/// Looks rows up while others write. Many look-ups share a view of the file: taking a new one for
/// each costs more than the look-up. Thread-safe.
class InodeFinder {
 public:
  explicit InodeFinder(std::shared_ptr<CacheFile> file) : file_(std::move(file)) {}

  std::optional<FileRow> find(std::uint64_t device, std::uint64_t inode) {
    std::lock_guard lock(mutex_);
    return file_->use([&] {
      if (!db_) {
        db_ = file_->open_reader();
        statements_.emplace(db_.get());
      }
      if (!view_) {
        view_.emplace(db_.get(), sql::Begin::deferred);
        finds_ = 0;
      }
      std::optional<FileRow> found = find_in_view(device, inode);
      if (++finds_ == kFindsPerView) view_.reset();
      return found;
    });
  }

  /// Rows were written: the next look-up is to see them.
  void renew() {
    std::lock_guard lock(mutex_);
    view_.reset();
  }

 private:
  std::optional<FileRow> find_in_view(std::uint64_t device, std::uint64_t inode) {
    sql::Rows rows = statements_->find_files_by_inode.query(device, inode);
    FileRow row;
    while (rows.next()) {
      // A damaged index may lead to any row.
      if (read_row(rows, row) && row.device == device && row.inode == inode) return row;
    }
    return std::nullopt;
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
    return std::make_unique<ChunkedCursor>(file_, path);
  }

  std::optional<FileRow> find_by_inode(std::uint64_t device, std::uint64_t inode) override {
    return finder_->find(device, inode);
  }

  bool empty() override {
    return use(
        [](CatalogStatements& statements) { return !statements.find_any_file.query().next(); });
  }

  void put_files(std::span<const FileRow> rows) override {
    if (rows.empty()) return;
    use([&](CatalogStatements& statements) {
      sql::Transaction transaction(statements.db, sql::Begin::immediate);
      for (const FileRow& row : rows) put_row(statements.put_file, row);
      transaction.commit();
    });
    finder_->renew();
  }

  void note_gone(std::span<const std::string> paths) override {
    if (paths.empty()) return;
    use([&](CatalogStatements& statements) {
      sql::Transaction transaction(statements.db, sql::Begin::deferred);
      for (const std::string& path : paths) {
        const std::string key = key_of_path(path);
        statements.note_gone.execute(sql::Blob{key});
      }
      transaction.commit();
    });
  }

  void remove_gone() override {
    use([](CatalogStatements& statements) {
      std::int64_t last = integer_of(statements.last_gone);
      for (std::int64_t done = 0; done < last; done += kChunkRows) {
        sql::Transaction transaction(statements.db, sql::Begin::immediate);
        statements.remove_gone.execute(done, done + static_cast<std::int64_t>(kChunkRows));
        transaction.commit();
      }
      if (last > 0) statements.forget_gone.execute();
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
  static std::int64_t integer_of(sql::Statement& statement) {
    sql::Rows rows = statement.query();
    rows.next();
    return rows.integer(0);
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
