#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "libcore/catalog/catalog.h"

namespace reverse {

/// A directory's row: it has no content. (Of a file without sums nothing is known that would be worth a row.)
inline bool is_directory_row(const FileRow& row) { return !row.md5 && !row.sha256; }

/// The catalog's side of a backup's merge: gives the rows of names as the walk meets them, in the format's order, and notes those
/// whose names were not met. Of a directory that moved the rows are those of its old place. Paths are relative to the source unless they
/// say otherwise. One thread.
class KnownRows {
 public:
  /// `source`: absolute. `is_whole`: the walk looks at everything, so that names it does not meet are gone.
  KnownRows(Catalog& catalog, std::string source, bool is_whole);

  /// The row at `path`, owned by this until the next call; nullptr if there is none. Rows before it are passed.
  const FileRow* at(const std::string& path);
  /// Whether rows at the path last asked for are those of a directory that moved: they go along with it.
  bool is_moved() const { return levels_.back().is_moved; }
  /// Rows from `first` to `last` belong to names that exist. `follows`: nothing was met since the names before them. `files_moved`: so many
  /// of the names are files in a directory that moved.
  void known(const std::string& first, const std::string& last, bool follows, std::uint64_t files_moved);
  /// What lies at `path` and below was not looked at: its rows stay.
  void keep_below(const std::string& path);

  /// The row of the directory at `path`, which was just asked for, where it came from another place (empty if another directory has taken
  /// that); the rows below it come now. `directory`: as what it is seen. `is_there`: whether an absolute path leads to that directory still.
  template <typename IsThere>
  std::optional<FileRow> follow(const std::string& path, const FileRow& directory, IsThere&& is_there) {
    for (FileRow& row : catalog_.find_directories(directory.device, directory.inode))
      if (may_have_moved(row, path, directory) && (is_pending(row.number) || !is_there(row.path))) {
        enter(path, row.number);
        return std::move(row);
      }
    return std::nullopt;
  }

  /// This name has no row any more.
  void gone(const FileRow& row);
  /// The walk has ended.
  void finish();
  std::uint64_t files_gone() const { return files_gone_; }

  std::string absolute(const std::string& path) const;
  /// The path of a row relative to the source, which it must lie in.
  std::string_view relative(const FileRow& row) const;
  /// Whether a row lies in the source, and is not the source itself.
  bool is_inside(const FileRow& row) const;

 private:
  /// Rows of the source, or of a directory that moved.
  struct Level {
    std::string path;  // of the directory
    std::unique_ptr<FileCursor> cursor;
    bool is_moved = false;
    const FileRow* row = nullptr;  // the cursor's current one, not passed yet
    bool is_matched = false;       // it belongs to a name that exists
    std::optional<std::string> known_to;  // rows up to it need not be looked at
    std::optional<std::string> kept_below;  // rows at and below it stay, though their names were not met
  };
  /// A directory whose name was not met, with all below it: perhaps it is met elsewhere.
  struct Pending {
    std::string path;  // absolute; empty: another directory has its name now
    std::int64_t number = 0;
  };

  void pass_row(Level& level);
  void pass_known(Level& level);
  void pass_rest(Level& level);
  void leave_to(const std::string& path, bool is_judged);
  bool may_have_moved(const FileRow& row, const std::string& path, const FileRow& directory) const;
  bool is_pending(std::int64_t number) const;
  void enter(const std::string& path, std::int64_t number);
  void set_aside(Level& level, Pending pending);
  void settle(const Pending& pending);
  void note(const std::string& path);

  Catalog& catalog_;
  const std::string source_;
  const bool is_whole_;
  std::vector<Level> levels_;  // that of the source, and of directories that moved, each in the one before
  std::vector<Pending> pending_;
  std::unordered_set<std::int64_t> taken_;  // directories that were met at another place, or must not be
  std::vector<std::string> gone_;           // to be noted, a few at a time
  std::uint64_t files_gone_ = 0;
};

}  // namespace reverse
