#include "libcore/catalog/present_set.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "libcore/catalog/cache_file.h"
#include "libcore/catalog/known_pages.h"
#include "libcore/catalog/repository_file.h"
#include "libcore/catalog/statements.h"

namespace reverse {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kApplicationId = 0x72767072;  // schema/present.sql
constexpr std::int64_t kVersion = 3;

// Added objects are gathered in memory and written in one transaction, so that no other process
// waits long for the write lock.
constexpr std::size_t kPendingObjects = 4096;
constexpr std::chrono::seconds kPendingTime{1};

// Look-ups share a view of the file: taking a new one for each costs more than the look-up.
constexpr int kFindsPerView = 256;

/// Lets a map of strings be searched by views.
struct ViewHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

class SqlitePresentSet : public PresentSet {
  /// Every use of the connection: one at a time, damage noted.
  template <typename Body>
  auto use(Body&& body) {
    std::lock_guard lock(mutex_);
    return file_->use(std::forward<Body>(body));
  }

 public:
  SqlitePresentSet(const std::string& directory, const std::string& repository_id,
                   const CacheFile::Warn& warn) {
    const CacheKind kind{"cache of present objects", kPresentSchema, kApplicationId, kVersion};
    file_ = CacheFile::open(repository_file(directory, "present", repository_id), kind, warn,
                            [&](sqlite3* db) { statements_.emplace(db); });
  }

  std::optional<Basis> basis() override {
    return use([&] {
      view_.reset();  // it may be older than what others wrote
      return read_basis();
    });
  }

  void begin(const std::string& token, bool trust) override {
    use([&] {
      if (token.empty()) fail(ErrorKind::internal, "a run without a token");
      end_run();
      view_.reset();
      std::optional<Basis> known = read_basis();
      if (trust && known && known->token == token) {
        sql::Rows rows = statements_->list_published_runs.query();
        while (rows.next()) published_.insert(rows.integer(0));
      } else {
        sql::Transaction transaction(file_->db(), sql::Begin::immediate);
        statements_->drop_published_runs.execute();
        statements_->put_token.execute(token);
        transaction.commit();
      }
      token_ = token;
    });
  }

  std::uint64_t count() override {
    return use([&] {
      sql::Rows rows = statements_->count_objects.query();
      std::uint64_t written = rows.next() ? static_cast<std::uint64_t>(rows.integer(0)) : 0;
      return written + pending_.size();
    });
  }

  std::optional<PresentObject> find(std::string_view name) override {
    return use([&]() -> std::optional<PresentObject> {
      if (auto added = pending_.find(name); added != pending_.end()) return added->second;
      return find_written(name);
    });
  }

  void add(std::string_view name, std::uint64_t size, const std::optional<Check>& check) override {
    use([&] {
      if (token_.empty()) fail(ErrorKind::internal, "an object added outside a run");
      begin_pending();
      pending_.insert_or_assign(std::string(name), PresentObject{size, check, true});
      write_if_due();
    });
  }

  std::unique_ptr<PageCursor> pages_of(const std::string& source) override {
    return use([&] { return read_pages(file_, source, published_); });
  }

  void add_page(const std::string& source, const KnownPage& page) override {
    change_pages([&] { pages_.put(source, page.first, page); });
  }

  void drop_page(const std::string& source, const std::string& first) override {
    change_pages([&] { pages_.put(source, first, std::nullopt); });
  }

  void drop_pages(const std::string& source, const std::string& from,
                  const std::optional<std::string>& to) override {
    change_pages([&] { pages_.drop(source, from, to); });
  }

  void save() override {
    use([&] { write_pending(); });
  }

  void publish(const std::string& revision) override {
    use([&] {
      write_pending();
      view_.reset();
      sql::Transaction transaction(file_->db(), sql::Begin::immediate);
      // Another process may have dropped everything for another token: then there is nothing to
      // publish.
      if (std::optional<Basis> known = read_basis(); known && known->token == token_) {
        if (run_) statements_->put_published_run.execute(*run_);
        statements_->put_revision.execute(revision);
        transaction.commit();
        if (run_) published_.insert(*run_);
        run_.reset();  // what is added from now on waits for the next revision
      }
    });
  }

 private:
  void end_run() {
    token_.clear();
    run_.reset();
    published_.clear();
    pending_.clear();
    pages_.clear();
  }

  template <typename Change>
  void change_pages(Change change) {
    use([&] {
      if (token_.empty()) fail(ErrorKind::internal, "a page changed outside a run");
      begin_pending();
      change();
      write_if_due();
    });
  }

  void begin_pending() {
    if (pending_.empty() && pages_.size() == 0) pending_since_ = Clock::now();
  }

  void write_if_due() {
    if (pending_.size() + pages_.size() >= kPendingObjects ||
        Clock::now() - pending_since_ >= kPendingTime)
      write_pending();
  }

  std::optional<Basis> read_basis() {
    sql::Rows rows = statements_->find_state.query();
    if (!rows.next() || rows.bytes(0).empty()) return std::nullopt;
    return Basis{std::string(rows.bytes(0)), std::string(rows.bytes(1))};
  }

  std::optional<PresentObject> find_written(std::string_view name) {
    if (!view_) {
      view_.emplace(file_->db(), sql::Begin::deferred);
      finds_ = 0;
    }
    std::optional<PresentObject> found;
    {
      sql::Rows rows = statements_->find_object.query(sql::Blob{name});
      if (rows.next()) {
        found.emplace();
        found->size = static_cast<std::uint64_t>(rows.integer(0));
        if (rows.bytes(1).size() == 16) found->check = Check::from_bytes(rows.bytes(1));
        const std::int64_t run = rows.integer(2);
        found->trusted = run == run_ || published_.contains(run);
      }
    }
    if (++finds_ == kFindsPerView) view_.reset();
    return found;
  }

  void write_pending() {
    if (pending_.empty() && pages_.size() == 0) return;
    view_.reset();
    // In the order of the table, so that each of its pages is visited once.
    std::vector<const std::pair<const std::string, PresentObject>*> objects;
    for (const auto& object : pending_) objects.push_back(&object);
    std::ranges::sort(objects, {},
                      [](const auto* object) -> const std::string& { return object->first; });

    sql::Transaction transaction(file_->db(), sql::Begin::immediate);
    const std::int64_t run = run_ ? *run_ : take_run();
    for (const auto* object : objects) {
      const auto& [name, what] = *object;
      std::optional<sql::Blob> check;
      if (what.check) check = sql::Blob{what.check->bytes()};
      statements_->put_object.execute(sql::Blob{name}, what.size, check, run);
    }
    pages_.write(*statements_, run);
    transaction.commit();
    run_ = run;
    pending_.clear();
  }

  std::int64_t take_run() {
    sql::Rows rows = statements_->take_run.query();
    if (!rows.next()) fail(ErrorKind::corrupt, "table `state` is empty");
    const std::int64_t run = rows.integer(0);
    while (rows.next()) {
    }
    return run;
  }

  std::mutex mutex_;
  std::shared_ptr<CacheFile> file_;
  std::optional<PresentStatements> statements_;

  std::string token_;                           // of the run; empty outside one
  std::optional<std::int64_t> run_;             // its number, once it has written anything
  std::unordered_set<std::int64_t> published_;  // under the token, when the run began

  std::unordered_map<std::string, PresentObject, ViewHash, std::equal_to<>> pending_;
  PendingPages pages_;
  Clock::time_point pending_since_;  // when the oldest of them was added

  std::optional<sql::Transaction> view_;  // what `find` reads in
  int finds_ = 0;                         // how many it has served
};

}  // namespace

std::unique_ptr<PresentSet> PresentSet::open(const std::string& directory,
                                             const std::string& repository_id,
                                             const std::function<void(const std::string&)>& warn) {
  return std::make_unique<SqlitePresentSet>(directory, repository_id, warn);
}

}  // namespace reverse
