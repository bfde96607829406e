#pragma once

#include <string>
#include <string_view>

#include "libcore/store/entry.h"

namespace reverse {

/// The rules that bind a tree's entries to each other (schema/FORMAT.md, "Order"): they ascend
/// strictly, the first is the root, and each lies in a directory that came before. Writers and
/// readers hold to the same.
class TreeOrder {
 public:
  /// Why this entry cannot come next; nullptr if it can, and then it is taken as the last.
  const char* take(FileType type, std::string_view path);
  const char* take(const Entry& entry) { return take(entry.type, entry.path); }
  /// The next entry may be any: what lies above it was not read and is believed.
  void jump() { state_ = State::jumped; }

  const std::string& last_path() const { return last_; }

 private:
  enum class State { at_root, within, jumped };
  State state_ = State::at_root;
  std::string last_;
  std::string directory_;  // the innermost directory that can still get entries
};

}  // namespace reverse
