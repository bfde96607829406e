#include "libcore/catalog/server_memory.h"

#include <mutex>

#include "libcore/catalog/cache_file.h"
#include "libcore/catalog/statements.h"

namespace reverse {

namespace {

constexpr std::int64_t kApplicationId = 0x72767376;  // schema/servers.sql
constexpr std::int64_t kVersion = 1;

class SqliteServerMemory : public ServerMemory {
 public:
  SqliteServerMemory(const std::string& directory, const CacheFile::Warn& warn)
      : file_(CacheFile::open(directory + "/servers-1.sqlite",
                              {"memory of servers", kServersSchema, kApplicationId, kVersion}, warn,
                              [&](sqlite3* db) { statements_.emplace(db); })) {}

  std::optional<std::string> recall(const std::string& location,
                                    const std::string& greeting) override {
    std::lock_guard lock(mutex_);
    return file_->use([&]() -> std::optional<std::string> {
      sql::Rows rows = statements_->find_server.query(sql::Blob{location}, sql::Blob{greeting});
      if (!rows.next()) return std::nullopt;
      return std::string(rows.bytes(0));
    });
  }

  void keep(const std::string& location, const std::string& greeting,
            const std::string& abilities) override {
    std::lock_guard lock(mutex_);
    file_->use([&] {
      statements_->put_server.execute(sql::Blob{location}, sql::Blob{greeting},
                                      sql::Blob{abilities});
    });
  }

 private:
  std::mutex mutex_;  // guards what follows
  std::optional<ServerStatements> statements_;
  const std::shared_ptr<CacheFile> file_;
};

}  // namespace

std::unique_ptr<ServerMemory> ServerMemory::open(
    const std::string& directory, const std::function<void(const std::string&)>& warn) {
  return std::make_unique<SqliteServerMemory>(directory, warn);
}

}  // namespace reverse
