#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "libcore/engine/item.h"
#include "libcore/engine/seen_entries.h"
#include "libcore/store/tree.h"

namespace reverse {

/// The tree of a backup while it grows: of single entries, and of pages that are known to be stored. The outcome is the same tree that the
/// entries alone would give. One thread.
class GrowingTree {
 public:
  /// What becomes of pages.
  struct Pages {
    PageSink store;  ///< takes those that are new; empty: nothing is made at all (a dry run)
    PageFetcher fetch;  ///< of known ones, where they turn out to be cut elsewhere now
    std::function<void(const KnownPage&)> learn;  ///< takes new ones that a later run may recognise; may be empty
  };

  GrowingTree(DigestKind kind, Pages pages);
  GrowingTree(const GrowingTree&) = delete;
  GrowingTree& operator=(const GrowingTree&) = delete;

  /// `seen`: what the entry was made of; null if another run could not tell by that that it is the same.
  void add(const Entry& entry, const FileStatus* seen);
  /// Throws what `fetch` throws, and `corrupt`.
  void add(std::shared_ptr<const KnownStretch> stretch);

  /// The tree of everything added so far, which may go on growing afterwards.
  PageRef so_far() const;
  /// The whole tree; nothing comes any more.
  PageRef finish();

 private:
  void settle(std::string_view next);
  void put(const KnownStretch& stretch);
  void take_apart(const KnownStretch& stretch);
  void copy_lines(const KnownStretch& stretch);
  void store(const PageRef& ref, std::string text);

  DigestKind kind_;
  Pages pages_;
  PageSink sink_;  // `store`
  TreeWriter tree_;
  std::string line_;  // scratch
  std::optional<std::pair<Sums, std::string>> fetched_;  // the page whose lines were copied last
  std::shared_ptr<const KnownStretch> last_;  // ends where it did only if what comes next begins a page
  SeenEntries seen_;      // of the open page
  bool is_told_ = true;   // by `seen_`: all of the open page's entries can be recognised
};

}  // namespace reverse
