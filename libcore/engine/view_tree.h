#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "libcore/base/fd.h"
#include "libcore/engine/object_linker.h"
#include "libcore/engine/view.h"

namespace reverse {

/// The names of a view. Directories are 0555 with their times when `finish` has returned, and open
/// to their owner before. Nothing is reached through symlinks. One thread at a time.
class ViewTree {
 public:
  /// `fd`: the view's directory. All must outlive it.
  ViewTree(int fd, ObjectLinker& linker, ViewReport& report, const ViewProblem& problem)
      : fd_(fd), linker_(linker), report_(report), problem_(problem) {}

  /// Makes what `entry` is. Its directory must be there; entries come in the order of a tree.
  void add(const Entry& entry);
  /// Removes what is there, which is no directory or an empty one. Fine if nothing is.
  void remove(const std::string& path, bool is_directory);
  /// Directories whose names were changed, from the outermost on; `finish` wants their entries.
  const std::set<std::string>& touched() const { return touched_; }
  /// Gives a touched directory what its entry says, names in it all made.
  void finish(const Entry& directory);

 private:
  int reach(const std::string& directory);
  int open_parent(const std::string& path);
  void make(int parent, const std::string& name, const Entry& entry);

  const int fd_;
  ObjectLinker& linker_;
  ViewReport& report_;
  const ViewProblem& problem_;
  std::set<std::string> touched_;
  struct Open {
    std::string path;
    UniqueFd fd;
  };
  std::vector<Open> open_;  // the way to what was reached last, without the view itself
};

/// Removes `name` in `directory` with all below it. Modes of directories are widened for that, of
/// files never. Fine if there is nothing.
void remove_tree(int directory, const std::string& name);

}  // namespace reverse
