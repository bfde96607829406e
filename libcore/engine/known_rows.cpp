#include "libcore/engine/known_rows.h"

#include <algorithm>
#include <utility>

#include "libcore/store/entry.h"

namespace reverse {

namespace {
constexpr std::size_t kGoneBatch = 1000;
constexpr std::size_t kMostPending = 4096;  // directories that were not met, kept in memory
constexpr std::size_t kMostTaken = 65'536;  // moved directories; files of others are found one by one
}  // namespace

KnownRows::KnownRows(Catalog& catalog, std::string source, bool is_whole)
    : catalog_(catalog), source_(std::move(source)), is_whole_(is_whole) {
  Level level;
  level.cursor = catalog_.files_below(source_);
  level.row = level.cursor->next();
  levels_.push_back(std::move(level));
}

std::string KnownRows::absolute(const std::string& path) const {
  if (path.empty()) return source_;
  return source_ == "/" ? "/" + path : source_ + "/" + path;
}

std::string_view KnownRows::relative(const FileRow& row) const {
  std::string_view path = row.path;
  path.remove_prefix(std::min(path.size(), source_.size()));
  if (path.starts_with('/')) path.remove_prefix(1);
  return path;
}

// --- the merge

const FileRow* KnownRows::at(const std::string& path) {
  leave_to(path, true);
  Level& level = levels_.back();
  pass_known(level);
  while (level.row != nullptr) {
    const int order = compare_paths(relative(*level.row), path);
    if (order > 0) break;
    if (order == 0 && !taken_.contains(level.row->number)) {
      level.is_matched = true;
      return level.row;
    }
    pass_row(level);
  }
  return nullptr;
}

bool KnownRows::is_inside(const FileRow& row) const {
  return source_ == "/" ? row.path.size() > 1 : row.path.starts_with(source_ + "/");
}

void KnownRows::known(const std::string& first, const std::string& last, bool follows,
                      std::uint64_t files_moved) {
  if (!follows) at(first);  // rows before it are judged
  leave_to(last, false);
  levels_.back().known_to = absolute(last);
  files_gone_ += files_moved;
}

void KnownRows::keep_below(const std::string& path) {
  at(path);  // rows before it are judged by the prefix before
  levels_.back().kept_below = path;
}

/// Ends the levels that `path` does not lie in.
void KnownRows::leave_to(const std::string& path, bool is_judged) {
  while (levels_.size() > 1 && !is_below(path, levels_.back().path)) {
    if (is_judged) pass_rest(levels_.back());
    levels_.pop_back();
  }
}

void KnownRows::pass_rest(Level& level) {
  pass_known(level);
  while (level.row != nullptr) pass_row(level);
}

/// Goes to the first row that is not known to belong to a name that exists.
void KnownRows::pass_known(Level& level) {
  if (!level.known_to) return;
  level.cursor->skip_to(*std::exchange(level.known_to, std::nullopt));
  level.is_matched = false;
  level.row = level.cursor->next();
}

void KnownRows::pass_row(Level& level) {
  const FileRow& row = *level.row;
  const bool is_kept =
      level.is_matched || (level.kept_below && is_below(relative(row), *level.kept_below));
  if (!level.is_matched && taken_.contains(row.number)) {
    level.cursor->skip_below();  // its rows were met elsewhere
  } else if (level.is_moved && !is_directory_row(row)) {
    ++files_gone_;  // from its old name
    if (!is_kept) note(row.path);
  } else if (!is_kept && is_whole_ && is_directory_row(row) && row.number != 0) {
    set_aside(level, {row.path, row.number});
  } else if (!is_kept) {
    gone(row);
  }
  level.is_matched = false;
  level.row = level.cursor->next();
}

// --- directories that moved

/// Whether it is certain that the row's place was not met, or will not be, in this walk.
bool KnownRows::may_have_moved(const FileRow& row, const std::string& path,
                               const FileRow& directory) const {
  if (!is_whole_ || taken_.contains(row.number) || taken_.size() >= kMostTaken) return false;
  if (row.btime && directory.btime && row.btime != directory.btime) return false;
  if (is_pending(row.number)) return true;
  return is_inside(row) && compare_paths(relative(row), path) > 0;
}

bool KnownRows::is_pending(std::int64_t number) const {
  return std::ranges::find(pending_, number, &Pending::number) != pending_.end();
}

void KnownRows::enter(const std::string& path, std::int64_t number) {
  std::erase_if(pending_, [&](const Pending& one) { return one.number == number; });
  taken_.insert(number);
  Level& around = levels_.back();
  if (around.is_matched && around.row->number != 0 && !taken_.contains(around.row->number))
    set_aside(around, {"", around.row->number});  // another directory had the name
  Level level;
  level.path = path;
  level.is_moved = true;
  level.cursor = catalog_.files_in(number, absolute(path));
  level.row = level.cursor->next();
  levels_.push_back(std::move(level));
}

/// The cursor's current directory may be met elsewhere: what is below it waits.
void KnownRows::set_aside(Level& level, Pending pending) {
  level.cursor->skip_below();
  if (pending_.size() == kMostPending) {
    settle(pending_.front());
    pending_.erase(pending_.begin());
  }
  pending_.push_back(std::move(pending));
}

/// It is gone, with all below it but directories that were met elsewhere.
void KnownRows::settle(const Pending& pending) {
  const auto cursor = catalog_.files_in(pending.number, "");
  while (const FileRow* row = cursor->next()) {
    if (taken_.contains(row->number))
      cursor->skip_below();
    else if (!is_directory_row(*row))
      ++files_gone_;
  }
  taken_.insert(pending.number);
  if (!pending.path.empty()) note(pending.path);
}

// --- rows that are to go

void KnownRows::gone(const FileRow& row) {
  if (!is_whole_) return;  // what was not asked for was not looked at
  if (!is_directory_row(row) && !is_moved()) ++files_gone_;
  note(row.path);
}

void KnownRows::note(const std::string& path) {
  gone_.push_back(path);
  if (gone_.size() < kGoneBatch) return;
  catalog_.note_gone(gone_);
  gone_.clear();
}

void KnownRows::finish() {
  for (; levels_.size() > 1; levels_.pop_back()) pass_rest(levels_.back());
  pass_rest(levels_.back());
  for (const Pending& pending : std::exchange(pending_, {})) settle(pending);
  catalog_.note_gone(gone_);
  gone_.clear();
}

}  // namespace reverse
