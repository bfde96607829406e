#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcore/catalog/catalog.h"
#include "libcore/catalog/present_set.h"
#include "libcore/engine/observer.h"
#include "libcore/scan/source_entry.h"
#include "libcore/store/entry.h"

namespace reverse {

/// What reading a file gave. Written by one worker, then read by the assembler.
struct Content {
  Sums sums;
  FileStatus status;  ///< as of opening
  Xattrs xattrs;
  bool changed = false;   ///< not one state of the file
  bool vanished = false;  ///< gone before it could be opened
  std::string stage;      ///< of the failure, "open" or "read"
  std::string error;      ///< not empty: no content
};

/// A row that keeps what was read of a file too fresh to be trusted, and that no file can match: it is read again next time, and only then
/// is it known whether it changed.
inline FileRow racy_row(FileRow row) {
  row.device = row.inode = 0;
  row.mtime = row.ctime = {};
  row.btime.reset();
  return row;
}
inline bool is_racy(const FileRow& row) { return row.inode == 0 && row.mtime == Timestamp{}; }

/// A directory that got another place. Paths relative to the source.
struct DirectoryMove {
  std::string from, to;

  /// Where lay what lies at `path`, in the directory, now?
  std::string old_path(std::string_view path) const { return from + std::string(path.substr(to.size())); }
};

/// Neighbouring names that are all as they were when a page was made of them, and maybe of others.
struct KnownStretch {
  KnownPage page;
  std::vector<SourceEntry> entries;  ///< without their directories
  bool follows = false;  ///< comes right behind the stretch before it, now as when the pages were made
  /// Set: the page has others beside these, whose first line is that one; the rest follow it.
  std::optional<std::size_t> line;
  /// Set: all of them lie in this directory, and the page has them where they were before.
  std::optional<DirectoryMove> move;
  std::vector<std::string> owners;  ///< of the entries, if their lines are copied

  /// The page will not be one of the new tree.
  bool is_copied() const { return line || move; }
};

/// One name on its way from the walk to a page.
struct Item {
  std::shared_ptr<const KnownStretch> stretch;  ///< set: all the rest has no meaning
  SourceEntry source;
  Entry entry;  ///< complete except for what `content` brings
  ItemAction action = ItemAction::unchanged;
  bool to_read = false;  ///< a worker reads it and fills `content`
  bool stable_identity = true;  ///< of its file system (scan/walk.h)
  /// What reading brings: this item's own, or that of an earlier link to the same inode. Null: nothing to read.
  std::shared_ptr<Content> content;
  std::optional<FileRow> row;  ///< what the catalog is to learn, sums still missing if `content` is set
  /// What was read when the file was too fresh to be trusted (`racy_row`): the same again means unchanged.
  std::optional<Sums> expected;
  std::string problem_stage, problem;  ///< something the scan met
  bool dropped = false;  ///< only a problem, not an entry
};

/// Some neighbouring items. `pending` counts what workers still have to do for them.
struct Batch {
  std::vector<Item> items;
  std::atomic<unsigned> pending{0};
};

}  // namespace reverse
