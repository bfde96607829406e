#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/byte_budget.h"
#include "libcore/base/fd.h"
#include "libcore/scan/listing.h"
#include "libcore/scan/selection.h"
#include "libcore/scan/source_entry.h"

namespace reverse {

/// The path of `name` in `directory`, both relative to the source.
std::string joined(std::string_view directory, std::string_view name);

/// A directory that counts as open, once it is shared, until the last holder lets go, be it after
/// the walk.
struct OpenDirectory : SourceDirectory {
  std::shared_ptr<ByteBudget> places;
  ByteBudget::Share place;

  /// `path`: relative to `source`, an absolute path.
  static std::shared_ptr<OpenDirectory> make(UniqueFd fd, const std::string& source,
                                             std::string_view path);
};

/// One directory that the walk is in.
struct Level {
  /// Empty if it was closed to save descriptors and could not be found again.
  std::shared_ptr<const SourceDirectory> directory;
  std::uint64_t device = 0, inode = 0;
  Listing names;
  /// What was seen of the names, by index, where they were read ahead; else empty.
  std::vector<std::optional<FileStatus>> seen;
  std::size_t next = 0;  ///< index of the name to look at next
  std::optional<Selection::Range>
      selected;               ///< what is left of it to be walked; nullopt: all names
  std::size_t path_size = 0;  ///< bytes of the stack's path that lead here; set by `push`
};

/// The directories from the source down to where the walk is, of which the source and a bounded
/// number of the deepest are open. Opens directories under a limit shared with everybody who holds
/// them. One thread at a time.
class DirectoryStack {
 public:
  /// `source`: absolute path, for messages.
  DirectoryStack(std::string source, std::stop_token stop);

  /// Counts `directory` as open. Waits while too many are held. Throws `Cancelled` on stop.
  std::shared_ptr<const SourceDirectory> share(std::shared_ptr<OpenDirectory> directory);
  /// `path` relative to the source.
  std::shared_ptr<OpenDirectory> made(UniqueFd fd, std::string_view path) const {
    return OpenDirectory::make(std::move(fd), source_, path);
  }

  /// Enters the directory `name` of the top (the source itself if empty).
  void push(Level level, std::string_view name);
  /// Leaves the top and sees to it that the new one is open, if that can be.
  void pop();

  bool empty() const { return levels_.empty(); }
  Level& top() { return levels_.back(); }
  /// The top's path relative to the source.
  const std::string& path() const { return path_; }
  /// The path of `name` in the top.
  std::string path_of(std::string_view name) const;

 private:
  bool is_level(int fd, const Level& level) const;
  UniqueFd find_parent(const std::shared_ptr<const SourceDirectory>& child,
                       const Level& parent) const;
  UniqueFd find_from_source() const;

  std::string source_;
  std::stop_token stop_;
  std::shared_ptr<ByteBudget> places_;
  std::vector<Level> levels_;
  std::string path_;
};

}  // namespace reverse
