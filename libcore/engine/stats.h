#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcore/catalog/history.h"
#include "libcore/engine/path_history.h"

namespace reverse {

// What takes how much space, in contents of files; the pages of trees are not counted.

struct RevisionStats {
  std::string name;                 ///< "HOST/LABEL/TIME-ID8"
  std::uint64_t logical_bytes = 0;  ///< of all its files, each counted
  Amount alone;                     ///< contents that nothing else holds: what it would free
  /// Files whose content came with it, or that had another before; not of a set's first revision.
  std::optional<Amount> arrived;
};

struct SetStats {
  std::string name;  ///< "HOST/LABEL"
  std::vector<RevisionStats> revisions;  ///< oldest first
  std::uint64_t logical_bytes = 0;       ///< of all revisions
  Amount unique;                         ///< different contents

  /// The revision with the most bytes in `arrived`; nullptr where nothing ever changed.
  const RevisionStats* largest_churn() const;
};

struct RepositoryStats {
  std::vector<SetStats> sets;       ///< sorted; those that the filter leaves
  std::uint64_t logical_bytes = 0;  ///< of the whole repository, as the next
  Amount unique;
};

/// Counts from a history that was updated for all sets. `filter`: which sets are told of.
RepositoryStats make_stats(History& history, const RevisionFilter& filter);

}  // namespace reverse
