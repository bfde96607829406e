#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "libcore/engine/observer.h"
#include "libcore/store/repository.h"

namespace reverse {

/// How a path of a live tree differs from a revision.
enum class Difference {
  rotten,   ///< a file of the same size and time with another content: nobody wrote that
  changed,  ///< another content, size or target, and another time
  missing,  ///< the tree has it no more
  added,    ///< the revision does not have it
  retyped,  ///< a file became a directory, or the like
};

struct TreeDifference {
  Difference kind = Difference::changed;
  std::string path;              ///< relative to the revision's source, raw; "" is the source
  std::uint64_t size = 0;        ///< bytes of the file, as the revision says (`added`: as it is)
  std::optional<Digest> digest;  ///< of its content in the revision, if it is a file's
};

struct CompareReport {
  std::uint64_t files = 0;  ///< whose contents were compared, and their bytes
  std::uint64_t bytes = 0;
  std::uint64_t rotten = 0, changed = 0, missing = 0, added = 0, retyped = 0;
  std::uint64_t not_compared = 0;  ///< files and directories that could not be read, then or now
};

struct CompareDeps {
  const Repository& repository;
  Observer& observer;  ///< told of what could not be read
  std::stop_token stop;
  std::function<void(const TreeDifference&)> tell;  ///< of each difference, in the format's order
};

/// Compares the files below `directory` with what `head` says of `path` (relative to its source) and
/// below, by content: both are gone through in the format's order, side by side, and every file of
/// the same size is read. A file that seems rotten is read twice, the second time from the medium.
/// Metadata other than types is not compared. File systems mounted below `directory` are gone into
/// as a backup would; what is not gone into is not missing. Works with several threads; memory does
/// not grow with the tree.
///
/// Throws `not_found` if `path` is no directory of the revision, what the walk throws for `directory`
/// itself, what the repository throws, `Cancelled`.
CompareReport compare_tree(const CompareDeps& deps, const Head& head, const std::string& path,
                           const std::string& directory);

}  // namespace reverse
