#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libcore/engine/backup.h"
#include "libcore/engine/growing_tree.h"
#include "libcore/engine/item.h"

namespace reverse {

/// The last stage of a backup, in the walk's order: turns items into the tree's entries, counts, and hands on what the catalog
/// is to learn. One thread.
class Assembler {
 public:
  using Rows = std::function<void(FileRow)>;

  /// `report` and `observer` must outlive it. `first_of_set`: every file counts as new. Where `pages` are not stored it only counts
  /// (a dry run).
  Assembler(DigestKind digest, bool first_of_set, Observer& observer, BackupReport& report,
            GrowingTree::Pages pages, Rows rows);

  /// Takes one item whose content, if any, has been read.
  void take(Item& item, Timestamp racy_since);
  /// Notes what could not be backed up as it is; `incomplete`: the revision is then that.
  void note_problem(const std::string& path, const std::string& stage, const std::string& error,
                    bool incomplete);

  /// The tree of everything taken so far, which may go on growing afterwards (a checkpoint).
  PageRef tree_so_far() const { return tree_.so_far(); }
  /// The whole tree: no item comes any more.
  PageRef finish_tree() { return tree_.finish(); }
  bool empty() const { return report_.head.entries == 0; }

 private:
  bool take_content(Item& item);
  void take_stretch(const std::shared_ptr<const KnownStretch>& stretch);
  void count(const Item& item);
  void count(ItemAction action, FileType type, const std::string& path, std::uint64_t size);
  void learn(Item& item, Timestamp racy_since);

  bool first_of_set_;
  Observer& observer_;
  BackupReport& report_;
  bool is_dry_;
  Rows rows_;
  GrowingTree tree_;
};

}  // namespace reverse
