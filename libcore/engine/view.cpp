#include "libcore/engine/view.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/engine/diff.h"
#include "libcore/engine/view_marker.h"
#include "libcore/engine/view_tree.h"

namespace reverse {

namespace {

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')) + "/"; }
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

UniqueFd open_directory(const std::string& path) {
  return open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

/// What the marker says once the view is whole, or before (no report).
ViewState state_of(const LocalRepository& source, const Head& head, const ViewReport* report) {
  ViewState state{source.repository.info().id, head.revision(), "", false, false};
  state.is_whole = report != nullptr && report->damaged == 0;
  state.is_cloned = report != nullptr && report->is_cloned;
  append_page_ref(state.tree, head.tree);
  return state;
}

void check_place(const LocalRepository& source, const std::string& directory) {
  if ((directory + "/").starts_with(source.path + "/"))
    fail(ErrorKind::usage, "'{}' lies in the repository, where views have no place",
         printable(directory));
}

/// Gives all directories that were touched their modes and times, the innermost first.
void finish_directories(ViewTree& tree, TreeReader& entries) {
  const std::set<std::string> touched = tree.touched();
  for (auto path = touched.rbegin(); path != touched.rend(); ++path) {
    entries.seek(*path);
    std::optional<Entry> entry = entries.next();
    if (entry && entry->path == *path) tree.finish(*entry);
  }
}

/// Fills an empty directory.
ViewReport fill_view(const LocalRepository& source, const Head& head, const std::string& directory,
                     const ViewProblem& problem, const std::stop_token& stop) {
  ViewReport report;
  const UniqueFd fd = open_directory(directory);
  ObjectLinker linker(source.repository, source.path, fd.get());
  ViewTree tree(fd.get(), linker, report, problem);
  TreeReader entries = source.repository.tree(head);
  std::vector<Entry> open;  // directories that the entries come from now
  while (std::optional<Entry> entry = entries.next()) {
    throw_if_stopped(stop);
    for (; !open.empty() && !is_below(entry->path, open.back().path); open.pop_back())
      tree.finish(open.back());
    tree.add(*entry);
    bool is_directory = entry->type == FileType::directory || entry->type == FileType::repository;
    if (is_directory) open.push_back(*std::move(entry));
  }
  for (; !open.empty(); open.pop_back()) tree.finish(open.back());
  report.copied = linker.copied();
  report.is_cloned = linker.clones();
  return report;
}

/// Makes a view where its marker is held and nothing of it is left.
ViewReport make_marked(ViewMarker& marker, const LocalRepository& source, const Head& head,
                       const std::string& directory, std::uint32_t mode,
                       const ViewProblem& problem, const std::stop_token& stop) {
  marker.write(state_of(source, head, nullptr));
  if (::mkdir(directory.c_str(), 0700) != 0 || ::chmod(directory.c_str(), mode) != 0)
    throw_errno(errno, fmt::format("make '{}'", printable(directory)));
  try {
    ViewReport report = fill_view(source, head, directory, problem, stop);
    marker.write(state_of(source, head, &report));
    return report;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unsupported) {  // nothing that the next run could go on with
      remove_tree(open_directory(parent_of(directory)).get(), name_of(directory));
      marker.remove();
    }
    throw;
  }
}

void remove_marked(ViewMarker& marker, const std::string& directory) {
  ViewState state = marker.read();
  state.is_whole = false;
  marker.write(state);
  remove_tree(open_directory(parent_of(directory)).get(), name_of(directory));
}

bool exists(const std::string& path) {
  struct stat status;
  return ::lstat(path.c_str(), &status) == 0;
}

/// What two trees differ in, to be done to a view of the first.
class ViewUpdate {
 public:
  ViewUpdate(ViewTree& tree, bool has_metadata) : tree_(tree), has_metadata_(has_metadata) {}

  void take(const Entry* before, const Entry* after) {
    if (before != nullptr && after != nullptr && is_same_in_view(*before, *after)) {
      if (after->type == FileType::directory && !after->path.empty()) others_.push_back(*after);
      return;
    }
    if (before != nullptr) going_.push_back({before->path, is_directory(*before)});
    if (after != nullptr) coming_.push_back(*after);
  }

  /// What goes, the innermost first; then what comes.
  void apply(const std::stop_token& stop) {
    for (auto path = going_.rbegin(); path != going_.rend(); ++path) {
      throw_if_stopped(stop);
      tree_.remove(path->first, path->second);
    }
    for (const Entry& entry : coming_) {
      throw_if_stopped(stop);
      tree_.add(entry);
    }
  }
  /// Directories of which only mode, owner or time is another.
  const std::vector<Entry>& others() const { return others_; }

 private:
  static bool is_directory(const Entry& entry) {
    return entry.type == FileType::directory || entry.type == FileType::repository;
  }
  /// Files in links show nothing of their own metadata.
  bool is_same_in_view(const Entry& before, const Entry& after) const {
    if (kind_of_change(before, after) != Change::Kind::metadata) return false;
    if (is_directory(after)) return true;
    return after.type == FileType::file && !has_metadata_;
  }

  ViewTree& tree_;
  const bool has_metadata_;
  std::vector<std::pair<std::string, bool>> going_;
  std::vector<Entry> coming_, others_;
};

ViewReport change_view(ViewMarker& marker, const LocalRepository& source, const ViewState& state,
                       const Head& head, const std::string& directory, const ViewProblem& problem,
                       const std::stop_token& stop) {
  ViewReport report;
  const UniqueFd fd = open_directory(directory);
  ObjectLinker linker(source.repository, source.path, fd.get());
  ViewTree tree(fd.get(), linker, report, problem);
  ViewUpdate update(tree, state.is_cloned);
  const PageRef before = parse_page_ref(state.tree, source.repository.info().digest);
  compare_trees(source.repository.info().digest, source.repository.page_fetcher(), &before,
                head.tree,
                [&](const Entry* old_entry, const Entry* new_entry) {
                  update.take(old_entry, new_entry);
                });
  marker.write(state_of(source, head, nullptr));
  update.apply(stop);
  TreeReader entries = source.repository.tree(head);
  for (const Entry& directory_entry : update.others()) tree.finish(directory_entry);
  finish_directories(tree, entries);
  report.copied = linker.copied();
  report.is_cloned = linker.clones() || state.is_cloned;
  marker.write(state_of(source, head, &report));
  return report;
}

}  // namespace

ViewReport make_view(const LocalRepository& source, const Head& head, const std::string& directory,
                     std::uint32_t mode, const ViewProblem& problem, const std::stop_token& stop) {
  check_place(source, directory);
  const bool has_marker = ViewMarker::open(directory, false).has_value();
  if (exists(directory) && !has_marker)
    fail(ErrorKind::exists, "'{}' is there already, and no view", printable(directory));
  std::optional<ViewMarker> marker = ViewMarker::open(directory, true);
  if (exists(directory)) {
    if (marker->read().is_whole)
      fail(ErrorKind::exists, "'{}' is a view already (--update takes it to another revision)",
           printable(directory));
    remove_marked(*marker, directory);
  }
  return make_marked(*marker, source, head, directory, mode, problem, stop);
}

ViewReport update_view(const LocalRepository& source, const Head& head,
                       const std::string& directory, const ViewProblem& problem,
                       const std::stop_token& stop) {
  std::optional<ViewMarker> marker = ViewMarker::open(directory, false);
  if (!marker) fail(ErrorKind::not_found, "'{}' is no view", printable(directory));
  const ViewState state = marker->read();
  if (state.repository != source.repository.info().id)
    fail(ErrorKind::usage, "'{}' is a view of another repository", printable(directory));
  struct stat status;
  const std::uint32_t mode =
      ::lstat(directory.c_str(), &status) == 0 ? status.st_mode & 07777 : 0700;
  if (state.is_whole && exists(directory)) {
    try {
      return change_view(*marker, source, state, head, directory, problem, stop);
    } catch (const Error& error) {
      // The revision that it was of is gone with its pages: the difference cannot be told.
      if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::corrupt) throw;
    }
  }
  remove_marked(*marker, directory);
  return make_marked(*marker, source, head, directory, mode, problem, stop);
}

void remove_view(const std::string& directory) {
  std::optional<ViewMarker> marker = ViewMarker::open(directory, false);
  if (!marker)
    fail(ErrorKind::not_found, "'{}' is no view: nothing is removed", printable(directory));
  remove_marked(*marker, directory);
  marker->remove();
}

}  // namespace reverse
