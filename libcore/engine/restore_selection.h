#pragma once

#include <string>
#include <vector>

#include "libcore/engine/restore.h"
#include "libcore/scan/filter.h"
#include "libcore/scan/selection.h"

namespace reverse {

/// Which entries of a revision a restore is about, decided entry by entry in the order of its tree.
/// One thread at a time.
class RestoreSelection {
 public:
  /// Throws `usage` for malformed patterns, and for paths that lead out of the source.
  RestoreSelection(const Head& head, const RestoreOptions& options);

  enum class Part {
    none,   ///< not restored, nor anything below it
    way,    ///< a directory that may lead to something that is
    whole,  ///< restored, with all below it that is not excluded
  };
  Part part_of(const Entry& entry);
  /// True if a pattern excludes it.
  bool excludes(const std::string& path, bool is_directory);
  /// Paths of `RestoreOptions::only` that were not met so far.
  std::vector<std::string> missing() const;

 private:
  struct Level {
    std::string path;
    Part part;
  };
  bool is_chosen(const Entry& entry, bool is_directory);

  Filter include_, exclude_;
  const bool has_patterns_;
  bool has_excludes_;
  std::vector<std::string> only_;  // sorted as bytes
  std::vector<bool> met_;
  std::vector<Level> levels_;  // the way to the entry met last
};

}  // namespace reverse
