#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/scan/listing.h"

namespace reverse {

/// The paths that a walk is limited to, cleaned of empty and `.` components, in the format's order.
/// Immutable.
class Selection {
 public:
  /// `paths` relative to the source. Those with a `..` in them go to `outside()` instead.
  explicit Selection(const std::vector<std::string>& paths);

  /// Neighbouring paths, by index.
  struct Range {
    std::size_t begin = 0, end = 0;
  };

  /// What is to be walked below the source; nullopt if that is all of it.
  std::optional<Range> all() const;
  /// The next components of the paths of `range`, which all lie below the directory `parent`.
  Listing names(Range range, std::string_view parent) const;
  /// Takes those paths off the front of `range` that are `path` or lie below it; there is at least
  /// one.
  Range take(Range& range, std::string_view path) const;
  /// True if the first path of `range` is `path` itself, so that all below it is selected.
  bool is_whole(Range range, std::string_view path) const { return paths_[range.begin] == path; }

  const std::string& operator[](std::size_t index) const { return paths_[index]; }
  const std::vector<std::string>& outside() const { return outside_; }

 private:
  std::vector<std::string> paths_;
  std::vector<std::string> outside_;
};

}  // namespace reverse
