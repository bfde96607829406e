#include "libcore/catalog/file_cursor.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/catalog/file_row.h"
#include "libcore/catalog/statements.h"

namespace reverse {
namespace {

constexpr std::size_t kChunkRows = 1024;  // of one query: some milliseconds
constexpr std::size_t kFirstChunk = 32;   // most directories have fewer
constexpr std::size_t kChunkBehindSkip = 2;  // often one is looked at before the next skip
constexpr int kQueriesPerView = 256;      // taking a new view for each costs more than the query

/// Goes down the directories by their numbers, a query for each.
class TreeCursor : public FileCursor {
 public:
  explicit TreeCursor(std::shared_ptr<CacheFile> file) : file_(std::move(file)) {
    file_->use([&] {
      db_ = file_->open_reader();
      statements_.emplace(db_.get());
    });
  }

  void begin_in(std::int64_t number, const std::string& path) {
    base_ = directory_text(path);
    number_ = number;
    enter(number_, base_);
  }

  void begin_at(const std::string& path) {
    base_ = directory_text(path);
    file_->use([&] {
      std::optional<std::int64_t> parent = parent_of(path);
      if (!parent) return;
      Level& level = enter(*parent, std::string(split_path(path).directory));
      level.is_alone = level.is_ended = true;
      read(level, statements_->find_file.query(*parent, sql::Blob{split_path(path).name}));
      if (level.filled > 0) number_ = level.rows[0].file.number;
    });
  }

  const FileRow* next() override {
    while (true) {
      if (below_ != nullptr) enter(below_->number, directory_text(below_->path));
      if (depth_ == 0) return nullptr;
      Level& level = levels_[depth_ - 1];
      if (level.at == level.filled) {
        if (level.is_ended)
          --depth_;
        else
          file_->use([&] { read_chunk(level); });
        continue;
      }
      const Row& row = level.rows[level.at++];
      if (row.file.number != 0) below_ = &row.file;
      if (row.is_true) return &row.file;
    }
  }

  void skip_below() override { below_ = nullptr; }

  void skip_to(const std::string& path) override {
    below_ = nullptr;
    if (number_ == 0) return void(depth_ = 0);
    leave_to(path);
    Level* level = depth_ > 0 ? &levels_[depth_ - 1] : &enter(number_, base_);
    std::string_view rest = path;
    rest.remove_prefix(std::min(level->directory.size(), rest.size()));
    file_->use([&] {
      while (true) {
        level->at = level->filled = 0;
        level->wanted = kChunkBehindSkip;
        level->is_ended = false;
        if (rest.size() <= 1) return;
        rest.remove_prefix(1);  // the '/'
        level->last = rest.substr(0, rest.find('/'));
        rest.remove_prefix(level->last.size());
        const std::int64_t number = number_of(level->number, level->last);
        if (number == 0) return;
        level = &enter(number, level->directory + "/" + level->last);
      }
    });
  }

 private:
  struct Row {
    FileRow file;
    bool is_true = false;  // what was written; else it only leads to rows below it
  };
  struct Level {
    std::int64_t number = 0;
    std::string directory;  // its path; of "/": ""
    std::string last;       // name of the last row read
    std::vector<Row> rows;
    std::size_t at = 0, filled = 0;
    std::size_t wanted = kFirstChunk;
    bool is_ended = false;
    bool is_alone = false;  // one row of it comes, and nothing beside that
  };

  /// Leaves the directories that `path` does not lie in.
  void leave_to(std::string_view path) {
    const auto holds = [&](const std::string& directory) {
      return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
    };
    for (; depth_ > 0; --depth_) {
      const Level& level = levels_[depth_ - 1];
      if (!level.is_alone && holds(level.directory)) return;
    }
  }

  static std::string directory_text(const std::string& path) { return path == "/" ? "" : path; }

  Level& enter(std::int64_t number, std::string directory) {
    below_ = nullptr;
    if (depth_ == levels_.size()) levels_.emplace_back();
    Level& level = levels_[depth_++];
    level.number = number;
    level.directory = std::move(directory);
    level.last.clear();
    level.at = level.filled = 0;
    level.wanted = kFirstChunk;
    level.is_ended = level.is_alone = false;
    return level;
  }

  void renew_view() {
    if (view_ && queries_ < kQueriesPerView) {
      ++queries_;
      return;
    }
    view_.reset();
    view_.emplace(db_.get(), sql::Begin::deferred);
    queries_ = 1;
  }

  void read_chunk(Level& level) {
    if (depth_ > kDeepestDirectory) fail(ErrorKind::corrupt, "table `file` leads in circles");
    renew_view();
    read(level, statements_->files_in.query(level.number, sql::Blob{level.last}, level.wanted));
    level.is_ended = level.filled < level.wanted;
    if (level.is_ended && depth_ == 1) view_.reset();
    level.wanted = std::min(level.wanted * 8, kChunkRows);
  }

  void read(Level& level, sql::Rows rows) {
    level.at = level.filled = 0;
    while (rows.next()) {
      // SQLite takes the order of keys in a damaged file as it finds it.
      if (!level.last.empty() && rows.bytes(1) <= level.last)
        fail(ErrorKind::corrupt, "table `file` is out of order");
      if (level.filled == level.rows.size()) level.rows.emplace_back();
      Row& row = level.rows[level.filled++];
      row.is_true = read_row(rows, level.directory, row.file);
      level.last = rows.bytes(1);
    }
  }

  /// The number of the row NAME in a directory; 0 if it has none.
  std::int64_t number_of(std::int64_t directory, std::string_view name) {
    renew_view();
    sql::Rows rows = statements_->find_file.query(directory, sql::Blob{name});
    return rows.next() ? rows.integer(2) : 0;
  }

  /// The number of the directory that `path` lies in; nullopt where no row leads there.
  std::optional<std::int64_t> parent_of(const std::string& path) {
    if (path == "/") return 0;
    std::string_view rest = split_path(path).directory;
    std::int64_t number = number_of(0, "");
    while (number != 0 && !rest.empty()) {
      rest.remove_prefix(1);
      const std::string_view name = rest.substr(0, rest.find('/'));
      rest.remove_prefix(name.size());
      number = number_of(number, name);
    }
    if (number == 0) return std::nullopt;
    return number;
  }

  const std::shared_ptr<CacheFile> file_;
  sql::UniqueDb db_;
  std::optional<CursorStatements> statements_;
  std::optional<sql::Transaction> view_;
  int queries_ = 0;  // that the view has served

  std::string base_;         // path of the directory that all begins with; of "/": ""
  std::int64_t number_ = 0;  // its number
  std::vector<Level> levels_;  // kept for their room; so many are in use:
  std::size_t depth_ = 0;
  const FileRow* below_ = nullptr;  // the rows below it come next
};

}  // namespace

std::unique_ptr<FileCursor> read_files_below(std::shared_ptr<CacheFile> file,
                                             const std::string& path) {
  auto cursor = std::make_unique<TreeCursor>(std::move(file));
  cursor->begin_at(path);
  return cursor;
}

std::unique_ptr<FileCursor> read_files_in(std::shared_ptr<CacheFile> file, std::int64_t number,
                                          const std::string& path) {
  auto cursor = std::make_unique<TreeCursor>(std::move(file));
  cursor->begin_in(number, path);
  return cursor;
}

}  // namespace reverse
