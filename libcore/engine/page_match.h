#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "libcore/catalog/present_set.h"
#include "libcore/engine/item.h"
#include "libcore/engine/machine.h"
#include "libcore/engine/seen_entries.h"
#include "libcore/scan/walk.h"

namespace reverse {

/// Takes what comes of a walk once it is known whether pages of earlier revisions hold it.
class ScanVisitor : public WalkVisitor {
 public:
  /// Entries that are all as a page has them.
  virtual void unchanged(std::shared_ptr<KnownStretch> stretch) = 0;
  /// A name between such entries, of which nothing but that is to be told: `skipped` without its effect on the catalog's rows.
  virtual void left_out(const std::string& path, SkipReason reason, const std::string& detail) = 0;
  /// Where the directory lay, relative to the source, that `entry` was told of last, if it lay elsewhere and the pages of that place are
  /// worth a look.
  virtual std::optional<std::string> moved_from() const = 0;
};

/// Stands between a walk and the scan: holds entries back while they may make up a page that is known, and hands them on as that page. If
/// anything differs, those that are the same are handed on with their lines in the page, and the others one by one. So for what did not
/// change no row is read, no presence asked for and no line written; and where a directory moved, lines are copied from the pages of its old
/// place. Memory: a page's entries, with at most 24 directories. One thread.
class PageMatch : public WalkVisitor {
 public:
  /// `source`: absolute path that is recorded. `reads_pages`: it is cheap to read one whose lines are to be copied. Everything outlives it.
  /// Only for sources where inodes and change times can be relied on.
  PageMatch(ScanVisitor& next, PresentSet& present, const std::string& source, OwnerNames& owners,
            bool reads_pages);

  void entry(SourceEntry entry, const std::optional<std::string>& list_error) override;
  void skipped(const std::string& path, SkipReason reason, const std::string& detail) override;
  void failed(const std::string& path, bool vanished, const std::string& error) override;
  /// The walk has ended.
  void finish();

 private:
  struct LeftOut {
    std::size_t behind;  // how many held entries come before it
    std::string path;
    SkipReason reason;
    std::string detail;
  };

  /// Where known pages come from: the source, or a directory that moved, each in the one before.
  struct Level {
    std::unique_ptr<PageCursor> cursor;
    DirectoryMove move;               // of the source: from "" to ""
    const KnownPage* page = nullptr;  // the first that was not met yet
  };

  void enter(DirectoryMove move);
  void leave_to(const std::string& path);
  void advance(std::size_t level);
  void pass_unmet(const std::string& path);
  std::optional<std::size_t> level_that_begins(const SourceEntry& entry);
  bool is_of_source() const { return wanted_level_ == 0; }
  void pass_on(SourceEntry entry, const std::optional<std::string>& list_error);
  bool has_room(const SourceEntry& entry);
  void hold(SourceEntry entry);
  void hand_on();
  void release();
  std::vector<std::optional<std::size_t>> lines_of_held(const KnownPage& page) const;
  void hand_on_lines(const KnownPage& page, std::size_t line, std::span<SourceEntry> entries);

  ScanVisitor& next_;
  PresentSet& present_;
  const std::string& source_;
  OwnerNames& owners_;
  const bool reads_pages_;
  std::vector<Level> levels_;  // kept for their cursors; so many are in use:
  std::size_t depth_ = 0;
  /// Pages of the source between these paths were not begun by any entry. They stay to the end of the walk, since their directory may be met
  /// elsewhere; nullopt: all behind the first.
  std::deque<std::pair<std::string, std::optional<std::string>>> unmet_;

  // The page whose entries are held; none while `held_` is empty.
  KnownPage wanted_;
  std::size_t wanted_level_ = 0;  // where it comes from
  std::vector<SourceEntry> held_;
  std::vector<LeftOut> left_out_;
  std::vector<const SourceDirectory*> directories_;  // that held entries keep open
  SeenEntries seen_;
  bool follows_ = true;  // nothing lies between the last page handed on and what comes next
  std::size_t last_level_ = 0;  // where that page came from
};

}  // namespace reverse
