#include "libcore/catalog/upload_journal.h"

#include <mutex>

#include "libcore/catalog/cache_file.h"
#include "libcore/catalog/repository_file.h"
#include "libcore/catalog/statements.h"

namespace reverse {

namespace {

constexpr std::int64_t kApplicationId = 0x72767570;  // schema/uploads.sql
constexpr std::int64_t kVersion = 1;

Timestamp time_in(const sql::Rows& columns, int at) {
  return {columns.integer(at), static_cast<std::uint32_t>(columns.integer(at + 1))};
}

/// A row as `find_upload` and `list_uploads` give it.
JournaledUpload upload_in(const sql::Rows& columns) {
  JournaledUpload upload;
  upload.path = columns.bytes(0);
  upload.inode = static_cast<std::uint64_t>(columns.integer(1));
  upload.size = static_cast<std::uint64_t>(columns.integer(2));
  upload.mtime = time_in(columns, 3);
  upload.ctime = time_in(columns, 5);
  upload.temporary = columns.bytes(7);
  upload.confirmed = static_cast<std::uint64_t>(columns.integer(8));
  upload.noted = columns.integer(9);
  return upload;
}

class SqliteUploadJournal : public UploadJournal {
 public:
  SqliteUploadJournal(const std::string& directory, const std::string& repository_id,
                      const CacheFile::Warn& warn) {
    const CacheKind kind{"journal of uploads", kUploadsSchema, kApplicationId, kVersion};
    file_ = CacheFile::open(repository_file(directory, "uploads", repository_id), kind, warn,
                            [&](sqlite3* db) { statements_.emplace(db); });
  }

  std::optional<JournaledUpload> find(const std::string& set, const std::string& path) override {
    std::lock_guard lock(mutex_);
    return file_->use([&]() -> std::optional<JournaledUpload> {
      sql::Rows rows = statements_->find_upload.query(set, sql::Blob{path});
      if (!rows.next()) return std::nullopt;
      return upload_in(rows);
    });
  }

  void put(const std::string& set, const JournaledUpload& upload) override {
    std::lock_guard lock(mutex_);
    file_->use([&] {
      statements_->put_upload.execute(
          set, sql::Blob{upload.path}, upload.inode, upload.size, upload.mtime.seconds,
          upload.mtime.nanoseconds, upload.ctime.seconds,
          upload.ctime.nanoseconds, upload.temporary, upload.confirmed,
          upload.noted);
    });
  }

  std::vector<JournaledUpload> take_all(const std::string& set) override {
    std::lock_guard lock(mutex_);
    return file_->use([&] {
      std::vector<JournaledUpload> uploads;
      sql::Transaction transaction(statements_->db, sql::Begin::immediate);
      {
        sql::Rows rows = statements_->list_uploads.query(set);
        while (rows.next()) uploads.push_back(upload_in(rows));
      }
      statements_->remove_uploads.execute(set);
      transaction.commit();
      return uploads;
    });
  }

 private:
  std::mutex mutex_;  // guards what follows
  std::shared_ptr<CacheFile> file_;
  std::optional<UploadStatements> statements_;  // after the file: finalised before it is closed
};

}  // namespace

std::unique_ptr<UploadJournal> UploadJournal::open(
    const std::string& directory, const std::string& repository_id,
    const std::function<void(const std::string&)>& warn) {
  return std::make_unique<SqliteUploadJournal>(directory, repository_id, warn);
}

}  // namespace reverse
