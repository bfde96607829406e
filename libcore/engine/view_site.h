#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/engine/view.h"
#include "libcore/store/entry.h"

namespace reverse {

/// What is known of a view.
struct ViewState {
  std::string repository;  ///< its id
  std::string revision;    ///< "HOST/LABEL/NAME"
  std::string tree;        ///< the reference to its root page
  bool is_cloned = false;  ///< files have metadata of their own
  bool is_whole = false;   ///< false: it was being made, changed or removed

  bool operator==(const ViewState&) const = default;
};

/// The text of a marker file. `run` names who wrote it last, where no lock can tell.
std::string format_view_state(const ViewState& state, std::string_view run = {});
/// What such a text says; a view that is not whole where it cannot be read.
ViewState parse_view_state(std::string_view text);
/// The value of a line "KEY: VALUE" in such a text; "" if there is none.
std::string view_state_value(std::string_view text, std::string_view key);

/// The file beside a view that makes it one, so that nothing else is ever changed or removed:
/// `.NAME.reverse-view` for NAME. One thread at a time.
class ViewMarker {
 public:
  virtual ~ViewMarker() = default;

  /// The path of the marker of the view at `directory`.
  static std::string path_of(const std::string& directory);
  /// The name that a marker belongs to; nullopt for names that are no marker's.
  static std::optional<std::string> view_name(std::string_view file_name);

  virtual ViewState read() = 0;
  /// Throws `busy` where another process was found to work at the view.
  virtual void write(const ViewState& state) = 0;
  virtual void remove() = 0;
};

/// The names of a view. What is wrong with single files goes into the report. One thread at a time.
class ViewTree {
 public:
  virtual ~ViewTree() = default;

  /// About so many files will be added.
  virtual void expect(std::uint64_t files) = 0;
  /// Makes what `entry` is. Its directory must be there; entries come in the order of a tree.
  virtual void add(const Entry& entry) = 0;
  /// Gives a file that is there the content of `file`. In the order of a tree, and before anything
  /// else is added or removed.
  virtual void replace(const Entry& file) = 0;
  /// Removes what is there, which is no directory or an empty one. Fine if nothing is.
  virtual void remove(const std::string& path, bool is_directory) = 0;
  /// Gives a directory what its entry says. All names in it must have been added, and if it is a new
  /// one of an update, flushed.
  virtual void finish(const Entry& directory) = 0;
  /// Waits until all is done; other directories whose names were changed have their modes and times
  /// again. Puts into the report what is known only then.
  virtual void flush() = 0;
};

/// The machine on which a repository lies, as far as views on it are concerned. Paths are absolute;
/// on a server also relative to where a login begins. One thread at a time.
class ViewSite {
 public:
  virtual ~ViewSite() = default;

  /// How messages name a path.
  virtual std::string quote(const std::string& path) const = 0;
  /// True if `path` lies in the repository.
  virtual bool is_in_repository(const std::string& path) const = 0;

  /// The marker of the view at `directory`; with `create` it is made if need be. nullptr if there
  /// is none. Throws `busy` where another process has it, `not_found` where the parent is missing.
  virtual std::unique_ptr<ViewMarker> open_marker(const std::string& directory, bool create) = 0;
  /// What the markers of several views say; nullopt for those that have none.
  virtual std::vector<std::optional<ViewState>> states(const std::vector<std::string>& views) = 0;

  /// Permission bits of what is at `path`; nullopt if nothing is.
  virtual std::optional<std::uint32_t> mode_of(const std::string& path) = 0;
  /// Throws `exists`.
  virtual void make_directory(const std::string& path, std::uint32_t mode) = 0;
  /// Says that a view of `repository` with about so many files will be filled.
  virtual void expect(const Repository& repository, std::uint64_t files) = 0;
  /// The directory of a view, there already, to be filled or changed. All must outlive the tree.
  virtual std::unique_ptr<ViewTree> open_tree(const Repository& repository,
                                              const std::string& directory, ViewReport& report,
                                              const ViewProblem& problem) = 0;
  /// Removes `path` with all below it. Modes of directories are widened for that, of files never.
  /// Fine if there is nothing.
  virtual void remove_tree(const std::string& path) = 0;

  /// Names in a directory, symlinks not followed.
  virtual std::vector<ListedFile> list(const std::string& directory) = 0;
  /// Makes `path` a symlink to `target`, in one step where it is one to something else.
  virtual void point(const std::string& path, const std::string& target) = 0;
  /// Removes a symlink, or an empty directory; fine where there is nothing, or another thing.
  virtual void remove_symlink(const std::string& path) = 0;
  virtual void remove_if_empty(const std::string& directory) = 0;
};

/// Throws `not_found`: a view cannot be made where its parent, as messages name it, is missing.
[[noreturn]] void fail_without_parent(const std::string& parent);
/// Throws `usage` if `directory` lies in the repository.
void expect_outside_repository(const ViewSite& site, const std::string& directory);

/// Views on this machine, of the repository in `root`; "" where it does not matter.
std::unique_ptr<ViewSite> open_local_views(std::string root);
/// Views on the machine that `backend` reaches; it must outlive them. Throws `unsupported` where that
/// is this one.
std::unique_ptr<ViewSite> open_remote_views(Backend& backend);

}  // namespace reverse
