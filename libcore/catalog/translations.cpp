#include "libcore/catalog/translations.h"

#include <chrono>
#include <map>
#include <mutex>

#include "libcore/catalog/cache_file.h"
#include "libcore/catalog/repository_file.h"
#include "libcore/catalog/statements.h"

namespace reverse {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kApplicationId = 0x72767472;  // schema/translations.sql
constexpr std::int64_t kVersion = 1;

// Written in one transaction: what a killed run may have to do again.
constexpr std::size_t kPendingContents = 4096;
constexpr std::chrono::seconds kPendingTime{1};

constexpr std::size_t kNameBytes = 32;  // MD5 and check, or SHA-256

/// Raw bytes: the digest, and the check behind it.
std::string name_of(const Sums& sums) {
  std::string name(sums.digest.bytes());
  if (sums.check) name.append(sums.check->bytes());
  return name;
}

/// `name` by the digest that `from` is not.
Sums other_sums(const Sums& from, std::string_view name) {
  if (from.digest.kind() == DigestKind::md5)
    return {Digest::from_bytes(name), std::nullopt, from.size};
  return {Digest::from_bytes(name.substr(0, 16)), Check::from_bytes(name.substr(16)), from.size};
}

class SqliteTranslations : public Translations {
 public:
  SqliteTranslations(const std::string& directory, const std::string& repository_id,
                     CacheFile::Warn warn)
      : warn_(std::move(warn)) {
    attempt([&] {
      const CacheKind kind{"memory of translations", kTranslationsSchema, kApplicationId, kVersion};
      file_ = CacheFile::open(repository_file(directory, "translations", repository_id), kind,
                              warn_, [&](sqlite3* db) { statements_.emplace(db); });
    });
  }

  std::optional<Sums> find(const Sums& from) override {
    const std::string name = name_of(from);
    std::optional<Sums> found;
    use([&] {
      auto pending = pending_.find(name);
      if (pending != pending_.end()) {
        if (pending->second.size == from.size) found = pending->second;
        return;
      }
      sql::Rows rows =
          statements_->find_translation.query(sql::Blob{name}, std::uint64_t{from.size});
      if (rows.next() && rows.bytes(0).size() == kNameBytes) found = other_sums(from, rows.bytes(0));
    });
    return found;
  }

  void note(const Sums& from, const Sums& to) override {
    use([&] {
      if (pending_.empty()) pending_since_ = Clock::now();
      pending_.insert_or_assign(name_of(from), to);
      if (pending_.size() >= kPendingContents || Clock::now() - pending_since_ >= kPendingTime)
        write_pending();
    });
  }

  void save() override {
    use([&] { write_pending(); });
  }

 private:
  template <typename Body>
  void use(Body&& body) {
    std::lock_guard lock(mutex_);
    if (file_) attempt([&] { file_->use(std::forward<Body>(body)); });
  }

  template <typename Body>
  void attempt(Body&& body) {
    try {
      body();
    } catch (const Error& error) {
      warn_(error.what());
      statements_.reset();
      file_.reset();
    }
  }

  void write_pending() {
    if (pending_.empty()) return;
    sql::Transaction transaction(file_->db(), sql::Begin::immediate);
    for (const auto& [name, to] : pending_)
      statements_->put_translation.execute(sql::Blob{name}, std::uint64_t{to.size},
                                           sql::Blob{name_of(to)});
    transaction.commit();
    pending_.clear();
  }

  const CacheFile::Warn warn_;
  std::mutex mutex_;  // guards what follows
  std::shared_ptr<CacheFile> file_;  // none: it has failed
  std::optional<TranslationStatements> statements_;
  std::map<std::string, Sums> pending_;  // by name
  Clock::time_point pending_since_;
};

}  // namespace

std::unique_ptr<Translations> Translations::open(
    const std::string& directory, const std::string& repository_id,
    const std::function<void(const std::string&)>& warn) {
  return std::make_unique<SqliteTranslations>(directory, repository_id, warn);
}

}  // namespace reverse
