#pragma once

#include <cstdint>
#include <memory>
#include <string>
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
};

/// Stands between a walk and the scan: holds entries back while they may make up a page that is known, and hands them on as that page or, if
/// anything differs, one by one. So where nothing changed no row is read, no presence asked for and no line written. Memory: a page's
/// entries, with at most 24 directories. One thread.
class PageMatch : public WalkVisitor {
 public:
  /// `source`: absolute path that is recorded. Everything outlives it. Only for sources where inodes and change times can be relied on.
  PageMatch(ScanVisitor& next, PresentSet& present, const std::string& source, OwnerNames& owners);

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

  void advance();
  void drop_before(const std::string& path);
  bool has_room(const SourceEntry& entry);
  void hold(SourceEntry entry);
  void hand_on();
  void release();

  ScanVisitor& next_;
  PresentSet& present_;
  const std::string& source_;
  OwnerNames& owners_;
  std::unique_ptr<PageCursor> cursor_;
  const KnownPage* page_ = nullptr;  // the first that was not met yet

  // The page whose entries are held; none while `held_` is empty.
  KnownPage wanted_;
  std::vector<SourceEntry> held_;
  std::vector<LeftOut> left_out_;
  std::vector<const SourceDirectory*> directories_;  // that held entries keep open
  SeenEntries seen_;
  bool follows_ = true;  // nothing lies between the last page handed on and what comes next
};

}  // namespace reverse
