#include "libcore/engine/view.h"

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/engine/diff.h"
#include "libcore/engine/view_site.h"

namespace reverse {

namespace {

/// What the marker says once the view is whole, or before (no report).
ViewState state_of(const ViewSource& source, const Head& head, const ViewReport* report) {
  ViewState state{source.repository.info().id, head.revision(), "", false, false};
  state.is_whole = report != nullptr && report->damaged == 0;
  state.is_cloned = report != nullptr && report->is_cloned;
  append_page_ref(state.tree, head.tree);
  return state;
}

/// Fills an empty directory with `files` files, or so.
ViewReport fill_view(const ViewSource& source, TreeReader& entries, std::uint64_t files,
                     const std::string& directory, const ViewProblem& problem,
                     const std::stop_token& stop) {
  ViewReport report;
  const std::unique_ptr<ViewTree> tree =
      source.site.open_tree(source.repository, directory, report, problem);
  tree->expect(files);
  std::vector<Entry> open;  // directories that the entries come from now
  while (std::optional<Entry> entry = entries.next()) {
    throw_if_stopped(stop);
    for (; !open.empty() && !is_below(entry->path, open.back().path); open.pop_back())
      tree->finish(open.back());
    tree->add(*entry);
    bool is_directory = entry->type == FileType::directory || entry->type == FileType::repository;
    if (is_directory) open.push_back(*std::move(entry));
  }
  for (; !open.empty(); open.pop_back()) tree->finish(open.back());
  tree->flush();
  return report;
}

/// Makes a view where its marker is held and nothing of it is left.
ViewReport make_marked(ViewMarker& marker, const ViewSource& source, const Head& head,
                       const std::string& directory, std::uint32_t mode,
                       const ViewProblem& problem, const std::stop_token& stop) {
  source.site.expect(source.repository, head.files);
  TreeReader entries = source.repository.tree(head);
  entries.expect_whole();
  marker.write(state_of(source, head, nullptr));
  source.site.make_directory(directory, mode);
  try {
    ViewReport report = fill_view(source, entries, head.files, directory, problem, stop);
    marker.write(state_of(source, head, &report));
    return report;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unsupported) {  // nothing that the next run could go on with
      source.site.remove_tree(directory);
      marker.remove();
    }
    throw;
  }
}

void remove_marked(ViewSite& site, ViewMarker& marker, const std::string& directory) {
  ViewState state = marker.read();
  state.is_whole = false;
  marker.write(state);
  site.remove_tree(directory);
}

/// Does what two trees differ in to a view of the first: files that got another content as they are
/// told, the rest when all is known.
class ViewUpdate {
 public:
  ViewUpdate(ViewTree& tree, bool has_metadata) : tree_(tree), has_metadata_(has_metadata) {}

  void take(const Entry* before, const Entry* after) {
    if (before != nullptr && after != nullptr) {
      if (before->digest && after->digest && !is_same_in_view(*before, *after))
        return tree_.replace(*after);
      if (is_same_in_view(*before, *after)) {
        if (after->type == FileType::directory && !after->path.empty()) others_.push_back(*after);
        return;
      }
    }
    if (before != nullptr) going_.push_back({before->path, is_directory(*before)});
    if (after != nullptr) coming_.push_back(*after);
  }

  /// What goes, the innermost first; then what comes; then directories get what is theirs.
  void finish(const std::stop_token& stop) {
    tree_.expect(coming_.size());
    for (auto path = going_.rbegin(); path != going_.rend(); ++path) {
      throw_if_stopped(stop);
      tree_.remove(path->first, path->second);
    }
    for (const Entry& entry : coming_) {
      throw_if_stopped(stop);
      tree_.add(entry);
    }
    for (const Entry& directory : others_) tree_.finish(directory);
    tree_.flush();
    for (auto entry = coming_.rbegin(); entry != coming_.rend(); ++entry)
      if (is_directory(*entry)) tree_.finish(*entry);
    tree_.flush();
  }

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
  std::vector<Entry> coming_;
  std::vector<Entry> others_;  // directories of which only mode, owner or time is another
};

ViewReport change_view(ViewMarker& marker, const ViewSource& source, const ViewState& state,
                       const Head& head, const std::string& directory, const ViewProblem& problem,
                       const std::stop_token& stop) {
  ViewReport report;
  const std::unique_ptr<ViewTree> tree =
      source.site.open_tree(source.repository, directory, report, problem);
  ViewUpdate update(*tree, state.is_cloned);
  marker.write(state_of(source, head, nullptr));
  const PageRef before = parse_page_ref(state.tree, source.repository.info().digest);
  compare_revisions(source.repository, before, head.tree,
                    [&](const Entry* old_entry, const Entry* new_entry) {
                      throw_if_stopped(stop);
                      update.take(old_entry, new_entry);
                    });
  update.finish(stop);
  report.is_cloned |= state.is_cloned;
  marker.write(state_of(source, head, &report));
  return report;
}

}  // namespace

void fail_without_parent(const std::string& parent) {
  fail(ErrorKind::not_found, "there is no directory {} to make a view in", parent);
}

void expect_outside_repository(const ViewSite& site, const std::string& directory) {
  if (site.is_in_repository(directory))
    fail(ErrorKind::usage, "{} lies in the repository, where views have no place",
         site.quote(directory));
}

ViewReport make_view(const ViewSource& source, const Head& head, const std::string& directory,
                     std::uint32_t mode, const ViewProblem& problem, const std::stop_token& stop) {
  ViewSite& site = source.site;
  if (const PageHint hint = source.repository.page_hint()) hint(head.tree);
  expect_outside_repository(site, directory);
  const bool is_there = site.mode_of(directory).has_value();
  if (is_there && !site.open_marker(directory, false))
    fail(ErrorKind::exists, "{} is there already, and no view: name a directory that is not there yet",
         site.quote(directory));
  const std::unique_ptr<ViewMarker> marker = site.open_marker(directory, true);
  if (is_there) {
    if (marker->read().is_whole)
      fail(ErrorKind::exists, "{} is a view already (--update takes it to another revision)",
           site.quote(directory));
    remove_marked(site, *marker, directory);
  }
  return make_marked(*marker, source, head, directory, mode, problem, stop);
}

ViewReport update_view(const ViewSource& source, const Head& head, const std::string& directory,
                       const ViewProblem& problem, const std::stop_token& stop) {
  ViewSite& site = source.site;
  if (const PageHint hint = source.repository.page_hint()) hint(head.tree);
  const std::unique_ptr<ViewMarker> marker = site.open_marker(directory, false);
  if (!marker) fail(ErrorKind::not_found, "{} is no view", site.quote(directory));
  const ViewState state = marker->read();
  if (state.repository != source.repository.info().id)
    fail(ErrorKind::usage, "{} is a view of another repository", site.quote(directory));
  const std::optional<std::uint32_t> mode = site.mode_of(directory);
  if (state.is_whole && mode) {
    try {
      return change_view(*marker, source, state, head, directory, problem, stop);
    } catch (const Error& error) {
      // The revision that it was of is gone with its pages: the difference cannot be told.
      if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::corrupt) throw;
    }
  }
  remove_marked(site, *marker, directory);
  return make_marked(*marker, source, head, directory, mode.value_or(0700), problem, stop);
}

void remove_view(ViewSite& site, const std::string& directory) {
  const std::unique_ptr<ViewMarker> marker = site.open_marker(directory, false);
  if (!marker)
    fail(ErrorKind::not_found, "{} is no view: nothing is removed", site.quote(directory));
  remove_marked(site, *marker, directory);
  marker->remove();
}

}  // namespace reverse
