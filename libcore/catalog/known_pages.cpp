#include "libcore/catalog/known_pages.h"

#include <algorithm>
#include <vector>

#include "libcore/catalog/file_row.h"

namespace reverse {
namespace {

constexpr std::size_t kChunkRows = 1024;  // of one short transaction
constexpr std::size_t kFirstChunk = 16;   // often a few are all that is wanted

/// False if the row is not what was written.
bool read_page(const sql::Rows& columns, KnownPage& page) {
  page.first = columns.bytes(0);
  std::replace(page.first.begin(), page.first.end(), '\0', '/');
  const std::string_view seen = columns.bytes(1), digest = columns.bytes(2), check = columns.bytes(3);
  if (seen.size() != 16 || (digest.size() != 16 && digest.size() != 32)) return false;
  if (check.size() != (digest.size() == 16 ? 16 : 0)) return false;
  page.seen = Check::from_bytes(seen);
  page.sums.digest = Digest::from_bytes(digest);
  page.sums.check.reset();
  if (!check.empty()) page.sums.check = Check::from_bytes(check);
  page.sums.size = static_cast<std::uint64_t>(columns.integer(4));
  page.entries = static_cast<std::uint64_t>(columns.integer(5));
  page.marks = columns.bytes(7);
  if (page.marks.size() != page.entries * kMarkBytes) page.marks.clear();
  return true;
}

class ChunkedPages : public PageCursor {
 public:
  ChunkedPages(std::shared_ptr<CacheFile> file, const std::string& source,
               std::unordered_set<std::int64_t> published)
      : file_(std::move(file)), source_(source), published_(std::move(published)) {
    file_->use([&] {
      db_ = file_->open_reader();
      statements_.emplace(db_.get());
    });
  }

  const KnownPage* next() override {
    while (at_ == chunk_.size()) {
      if (ended_) return nullptr;
      file_->use([&] { read_chunk(); });
    }
    return &chunk_[at_++].page;
  }

  void seek(const std::string& first) override {
    from_ = key_of_path(first);
    chunk_.clear();
    at_ = 0;
    wanted_ = kFirstChunk;
    ended_ = false;
  }

  bool is_trusted() const override { return published_.contains(chunk_[at_ - 1].run); }

 private:
  struct Row {
    KnownPage page;
    std::int64_t run = 0;
  };

  void read_chunk() {
    at_ = 0;
    chunk_.clear();
    std::size_t seen = 0;
    sql::Rows rows = statements_->pages_from.query(sql::Blob{source_}, sql::Blob{from_}, wanted_);
    while (rows.next()) {
      // SQLite takes the order of keys in a damaged file as it finds it.
      if (rows.bytes(0) < from_) fail(ErrorKind::corrupt, "table `page` is out of order");
      from_ = rows.bytes(0);
      from_ += '\0';  // the least key above this one
      Row row;
      row.run = rows.integer(6);
      if (read_page(rows, row.page)) chunk_.push_back(std::move(row));
      ++seen;
    }
    ended_ = seen < wanted_;
    wanted_ = std::min(wanted_ * 8, kChunkRows);
  }

  const std::shared_ptr<CacheFile> file_;
  const std::string source_;
  const std::unordered_set<std::int64_t> published_;
  sql::UniqueDb db_;
  std::optional<PageStatements> statements_;
  std::string from_;  // key of what is still to be read
  std::vector<Row> chunk_;
  std::size_t at_ = 0;
  std::size_t wanted_ = kFirstChunk;  // rows of the next chunk
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<PageCursor> read_pages(std::shared_ptr<CacheFile> file, const std::string& source,
                                       std::unordered_set<std::int64_t> published) {
  return std::make_unique<ChunkedPages>(std::move(file), source, std::move(published));
}

void PendingPages::put(const std::string& source, const std::string& first,
                       std::optional<KnownPage> page) {
  changes_.insert_or_assign({source, key_of_path(first)}, std::move(page));
}

void PendingPages::drop(const std::string& source, const std::string& from,
                        const std::optional<std::string>& to) {
  Range range{source, key_of_path(from), std::nullopt};
  if (to) range.to = key_of_path(*to);
  dropped_.push_back(std::move(range));
}

void PendingPages::clear() {
  dropped_.clear();
  changes_.clear();
}

void PendingPages::write(PresentStatements& statements, std::int64_t run) {
  for (const Range& range : dropped_) {
    const sql::Blob source{range.source}, from{range.from};
    if (range.to)
      statements.drop_pages.execute(source, from, sql::Blob{*range.to});
    else
      statements.drop_pages_from.execute(source, from);
  }
  for (const auto& [place, page] : changes_) {
    const sql::Blob source{place.first}, first{place.second};
    if (!page) {
      statements.drop_page.execute(source, first);
      continue;
    }
    std::optional<sql::Blob> check;
    if (page->sums.check) check = sql::Blob{page->sums.check->bytes()};
    statements.put_page.execute(source, first, sql::Blob{page->seen.bytes()},
                                sql::Blob{page->sums.digest.bytes()}, check, page->sums.size,
                                page->entries, run, sql::Blob{page->marks});
  }
  clear();
}

}  // namespace reverse
