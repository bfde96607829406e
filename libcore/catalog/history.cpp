#include "libcore/catalog/history.h"

#include <limits>

#include "libcore/base/text.h"
#include "libcore/catalog/cache_file.h"
#include "libcore/catalog/repository_file.h"
#include "libcore/catalog/statements.h"

namespace reverse {

namespace {

constexpr std::int64_t kApplicationId = 0x72766869;  // schema/history.sql
constexpr std::int64_t kVersion = 1;
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

KnownRevision revision_in(const sql::Rows& row) {
  KnownRevision revision;
  revision.id = row.integer(0);
  revision.set = row.integer(1);
  revision.name = fmt::format("{}/{}", row.bytes(2), row.bytes(3));
  revision.tree = row.bytes(4);
  for (std::string_view tag : split(row.bytes(5), '\n'))
    if (!tag.empty()) revision.tags.emplace_back(tag);
  revision.bytes = static_cast<std::uint64_t>(row.integer(6));
  revision.is_listed = row.integer(7) != 0;
  return revision;
}

PathPeriod period_in(const sql::Rows& row) {
  PathPeriod period;
  period.set = row.integer(0);
  period.first = row.integer(6);
  period.last = row.is_null(7) ? kMost : row.integer(7);
  PathState& state = period.state;
  state.path = row.bytes(1);
  state.type = static_cast<FileType>(row.integer(2));
  state.size = static_cast<std::uint64_t>(row.integer(3));
  state.mtime = {row.integer(4), static_cast<std::uint32_t>(row.integer(5))};
  state.mode = static_cast<std::uint32_t>(row.integer(8));
  state.uid = static_cast<std::uint32_t>(row.integer(9));
  state.gid = static_cast<std::uint32_t>(row.integer(10));
  state.owner = row.bytes(11);
  state.content = row.bytes(12);
  return period;
}

/// The least bytes that are greater than all that begin with `prefix`.
std::string after_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return std::string(65, '\xff');  // longer than any content's name
  ++prefix.back();
  return prefix;
}

std::int64_t as_signed(std::uint64_t size) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(size, kMost));
}

class SqliteRecorder : public History::Recorder {
 public:
  SqliteRecorder(HistoryStatements& statements, std::int64_t set, std::int64_t last,
                 std::int64_t revision)
      : statements_(statements), set_(set), last_(last), revision_(revision) {}

  void begin(const PathState& state, bool is_new) override {
    std::optional<sql::Blob> content;
    if (!state.content.empty()) content = sql::Blob{state.content};
    statements_.put_entry.execute(set_, sql::Blob{state.path}, revision_,
                                  static_cast<int>(state.type), state.mode, state.uid, state.gid,
                                  state.owner, state.mtime.seconds, state.mtime.nanoseconds,
                                  as_signed(state.size), content, is_new);
  }
  void end(std::string_view path) override {
    statements_.end_entry.execute(last_, set_, sql::Blob{path});
  }
  void end_all() override { statements_.end_entries.execute(last_, set_); }

 private:
  HistoryStatements& statements_;
  const std::int64_t set_, last_, revision_;
};

class SqliteHistory : public History {
 public:
  SqliteHistory(const std::string& directory, const std::string& repository_id,
                const CacheFile::Warn& warn) {
    const CacheKind kind{"history of paths", kHistorySchema, kApplicationId, kVersion};
    file_ = CacheFile::open(repository_file(directory, "history", repository_id), kind, warn,
                            [&](sqlite3* db) { statements_.emplace(db); });
  }

  std::vector<KnownRevision> revisions() override {
    return file_->use([&] {
      std::vector<KnownRevision> found;
      sql::Rows rows = statements_->list_revisions.query();
      while (rows.next()) found.push_back(revision_in(rows));
      return found;
    });
  }

  bool add(const KnownRevision& revision,
           const std::function<void(const KnownRevision*, Recorder&)>& record) override {
    return file_->use([&] { return add_in_transaction(revision, record); });
  }

  void drop(const std::vector<std::int64_t>& ids) override {
    if (ids.empty()) return;
    file_->use([&] {
      sql::Transaction transaction(file_->db(), sql::Begin::immediate);
      for (std::int64_t id : ids) statements_->unlist_revision.execute(id);
      statements_->remove_unlisted.execute();
      statements_->remove_unheld.execute();
      transaction.commit();
    });
  }

  void visit(const PathQuery& query,
             const std::function<void(const PathPeriod&)>& visit) override {
    file_->use([&] {
      const std::int64_t larger = query.larger ? as_signed(*query.larger) : -1;
      const std::int64_t smaller = query.smaller ? as_signed(*query.smaller) : kMost;
      const std::int64_t newer = query.newer ? query.newer->seconds : kLeast;
      const std::int64_t older = query.older ? query.older->seconds : kMost;
      if (!query.content_prefix)
        return visit_rows(statements_->list_entries.query(larger, smaller, newer, older), query,
                          visit);
      const std::string end = after_prefix(*query.content_prefix);
      visit_rows(statements_->list_entries_of_content.query(larger, smaller, newer, older,
                                                            sql::Blob{*query.content_prefix},
                                                            sql::Blob{end}),
                 query, visit);
    });
  }

  Amount total() override {
    return file_->use([&] {
      sql::Rows rows = statements_->sum_all.query();
      return rows.next() ? amount_in(rows, 0) : Amount{};
    });
  }
  std::vector<std::pair<std::int64_t, Amount>> totals_of_sets() override {
    return sums(statements_->sum_by_set);
  }
  std::vector<std::pair<std::int64_t, Amount>> held_alone() override {
    return sums(statements_->sum_held_alone);
  }
  std::vector<std::pair<std::int64_t, Amount>> arrivals() override {
    return sums(statements_->sum_arrivals);
  }

 private:
  bool add_in_transaction(const KnownRevision& revision,
                          const std::function<void(const KnownRevision*, Recorder&)>& record);
  std::int64_t set_id(std::string_view set);
  std::optional<KnownRevision> last_of(std::int64_t set);

  static Amount amount_in(const sql::Rows& row, int column) {
    return {static_cast<std::uint64_t>(row.integer(column)),
            static_cast<std::uint64_t>(row.integer(column + 1))};
  }
  std::vector<std::pair<std::int64_t, Amount>> sums(sql::Statement& statement) {
    return file_->use([&] {
      std::vector<std::pair<std::int64_t, Amount>> found;
      sql::Rows rows = statement.query();
      while (rows.next()) found.emplace_back(rows.integer(0), amount_in(rows, 1));
      return found;
    });
  }
  static void visit_rows(sql::Rows rows, const PathQuery& query,
                         const std::function<void(const PathPeriod&)>& visit) {
    while (rows.next()) {
      auto type = static_cast<FileType>(rows.integer(2));
      if (!query.wanted || query.wanted(rows.integer(0), rows.bytes(1), type))
        visit(period_in(rows));
    }
  }

  std::shared_ptr<CacheFile> file_;
  std::optional<HistoryStatements> statements_;
};

std::int64_t SqliteHistory::set_id(std::string_view set) {
  statements_->put_set.execute(set);
  sql::Rows rows = statements_->find_set.query(set);
  rows.next();
  return rows.integer(0);
}

std::optional<KnownRevision> SqliteHistory::last_of(std::int64_t set) {
  sql::Rows rows = statements_->find_last_revision.query(set);
  if (!rows.next()) return std::nullopt;
  return revision_in(rows);
}

bool SqliteHistory::add_in_transaction(
    const KnownRevision& revision,
    const std::function<void(const KnownRevision*, Recorder&)>& record) {
  sql::Transaction transaction(file_->db(), sql::Begin::immediate);
  const std::size_t slash = revision.name.rfind('/');
  const std::string_view name = std::string_view(revision.name).substr(slash + 1);
  const std::int64_t set = set_id(std::string_view(revision.name).substr(0, slash));
  if (statements_->find_revision.query(set, name).next()) return false;
  const std::optional<KnownRevision> last = last_of(set);
  std::string tags;
  for (const std::string& tag : revision.tags) tags.append(tag).append("\n");
  std::int64_t id = 0;
  {
    sql::Rows rows = statements_->put_revision.query(set, name, revision.tree, tags,
                                                     as_signed(revision.bytes));
    if (rows.next()) id = rows.integer(0);
    rows.next();  // to the statement's end: it writes only then
  }
  SqliteRecorder recorder(*statements_, set, last ? last->id : 0, id);
  record(last ? &*last : nullptr, recorder);
  if (last && !last->is_listed) {
    statements_->remove_unlisted.execute();
    statements_->remove_unheld.execute();
  }
  transaction.commit();
  return true;
}

}  // namespace

std::unique_ptr<History> History::open(const std::string& directory,
                                       const std::string& repository_id,
                                       const std::function<void(const std::string&)>& warn) {
  return std::make_unique<SqliteHistory>(directory, repository_id, warn);
}

}  // namespace reverse
