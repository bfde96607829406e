#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libcore/hash/hasher.h"
#include "libcore/scan/source_entry.h"

namespace reverse {

/// What was seen of some neighbouring entries, as one sum: where it is the same again, so are their lines in a page. It covers whatever
/// a line is made of, contents and attributes by the inode's change time. One thread at a time.
class SeenEntries {
 public:
  /// `owner`: as the entry has it.
  void add(std::string_view path, const FileStatus& status, std::string_view target, std::string_view owner);
  Check sum() const { return check_of(bytes_); }
  /// A shorter sum of each entry by itself, `kMarkBytes` each, in their order: it tells which of them are the same.
  std::string marks() const;
  void clear() {
    bytes_.clear();
    ends_.clear();
  }

 private:
  void append(std::string_view text);
  void append(std::uint64_t number);
  std::string bytes_;
  std::vector<std::size_t> ends_;  // in `bytes_`, of each entry
};

/// True if an equal sum will tell that the entry is the same. Not so of links to an inode with others (their groups are formed anew in every
/// run), nor of a name that may change once more without its change time telling.
inline bool is_telling(const FileStatus& status, Timestamp racy_since) {
  const bool is_plain = status.type != FileType::repository &&
                        (status.type == FileType::directory || status.links <= 1);
  return is_plain && status.ctime < racy_since;
}

}  // namespace reverse
