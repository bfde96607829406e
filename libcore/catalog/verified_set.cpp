#include "libcore/catalog/verified_set.h"

#include <chrono>
#include <mutex>
#include <optional>

#include "libcore/catalog/cache_file.h"
#include "libcore/catalog/repository_file.h"
#include "libcore/catalog/statements.h"

namespace reverse {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kApplicationId = 0x72767666;  // schema/verified.sql
constexpr std::int64_t kVersion = 1;

// Written in one transaction: what a killed run may have to do again.
constexpr std::size_t kPendingObjects = 4096;
constexpr std::chrono::seconds kPendingTime{1};

class SqliteVerifiedSet : public VerifiedSet {
  /// Every use of the connection: one at a time, damage noted.
  template <typename Body>
  auto use(Body&& body) {
    std::lock_guard lock(mutex_);
    return file_->use(std::forward<Body>(body));
  }

 public:
  SqliteVerifiedSet(const std::string& directory, const std::string& repository_id,
                    const CacheFile::Warn& warn) {
    const CacheKind kind{"memory of verified objects", kVerifiedSchema, kApplicationId, kVersion};
    file_ = CacheFile::open(repository_file(directory, "verified", repository_id), kind, warn,
                            [&](sqlite3* db) { statements_.emplace(db); });
  }

  void visit_shard(unsigned first,
                   const std::function<void(std::string_view, std::int64_t)>& visit) override {
    use([&] {
      write_pending();
      const std::string begin(1, static_cast<char>(first));
      const std::string end = first < 255 ? std::string(1, static_cast<char>(first + 1))
                                          : std::string(64, '\xff');  // longer than any name
      sql::Rows rows = statements_->list_objects.query(sql::Blob{begin}, sql::Blob{end});
      while (rows.next()) visit(rows.bytes(0), rows.integer(1));
    });
  }

  std::map<std::int64_t, std::uint64_t> minutes() override {
    return use([&] {
      write_pending();
      std::map<std::int64_t, std::uint64_t> counts;
      sql::Rows rows = statements_->count_by_minute.query();
      while (rows.next()) counts[rows.integer(0)] = static_cast<std::uint64_t>(rows.integer(1));
      return counts;
    });
  }

  void note(std::string_view name, std::int64_t verified) override { add(name, verified); }
  void forget(std::string_view name) override { add(name, std::nullopt); }
  void save() override {
    use([&] { write_pending(); });
  }

 private:
  void add(std::string_view name, std::optional<std::int64_t> verified) {
    use([&] {
      if (pending_.empty()) pending_since_ = Clock::now();
      pending_.insert_or_assign(std::string(name), verified);
      if (pending_.size() >= kPendingObjects || Clock::now() - pending_since_ >= kPendingTime)
        write_pending();
    });
  }

  void write_pending() {
    if (pending_.empty()) return;
    sql::Transaction transaction(file_->db(), sql::Begin::immediate);
    for (const auto& [name, verified] : pending_) {
      if (verified)
        statements_->put_object.execute(sql::Blob{name}, *verified);
      else
        statements_->remove_object.execute(sql::Blob{name});
    }
    transaction.commit();
    pending_.clear();
  }

  std::mutex mutex_;  // guards what follows
  std::shared_ptr<CacheFile> file_;
  std::optional<VerifiedStatements> statements_;
  std::map<std::string, std::optional<std::int64_t>> pending_;  // none: to be forgotten
  Clock::time_point pending_since_;
};

}  // namespace

std::unique_ptr<VerifiedSet> VerifiedSet::open(
    const std::string& directory, const std::string& repository_id,
    const std::function<void(const std::string&)>& warn) {
  return std::make_unique<SqliteVerifiedSet>(directory, repository_id, warn);
}

}  // namespace reverse
