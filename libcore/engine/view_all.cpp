#include <algorithm>
#include <map>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/engine/view.h"
#include "libcore/engine/view_site.h"
#include "libcore/store/marks.h"

namespace reverse {

namespace {

constexpr const char* kLatest = "latest";

/// The views that one set is to have: by name below its directory, the revision's name in the set.
using Views = std::map<std::string, std::string>;

Views wanted_views(const Repository& repository, const std::string& set,
                   const std::vector<Mark>& marks) {
  Views views;
  for (const std::string& name : repository.revisions(set)) {
    if (find_mark(marks, set + "/" + name) != nullptr) continue;
    std::string time = name.substr(0, name.find('-'));
    views.emplace(views.count(time) == 0 ? time : name, name);
  }
  return views;
}

/// Keeps the views of one repository.
class Collection {
 public:
  Collection(const ViewSource& source, const std::string& directory, const ViewChange& changed,
             const ViewProblem& problem, const std::stop_token& stop)
      : source_(source), directory_(directory), changed_(changed), problem_(problem), stop_(stop) {}

  ViewReport update();

 private:
  void make_missing(const std::string& set, const Views& views);
  void point_latest(const std::string& set, const Views& views);
  void ensure_directory(const std::string& path);
  void add(const ViewReport& report);
  void remove_others(const std::map<std::string, Views>& wanted);
  void remove_others(const std::string& set, const Views& wanted);
  bool is_ours(const std::optional<ViewState>& state) const {
    return state && state->repository == source_.repository.info().id;
  }

  const ViewSource& source_;
  const std::string& directory_;
  const ViewChange& changed_;
  const ViewProblem& problem_;
  const std::stop_token& stop_;
  ViewReport report_;
};

void Collection::ensure_directory(const std::string& path) {
  if (!source_.site.mode_of(path)) source_.site.make_directory(path, 0700);
}

void Collection::add(const ViewReport& report) {
  report_.files += report.files;
  report_.directories += report.directories;
  report_.symlinks += report.symlinks;
  report_.copied += report.copied;
  report_.left_out += report.left_out;
  report_.damaged += report.damaged;
}

void Collection::make_missing(const std::string& set, const Views& views) {
  const std::string place = directory_ + "/" + set;
  std::vector<std::string> paths;
  for (const auto& [view, name] : views) paths.push_back(place + "/" + view);
  const std::vector<std::optional<ViewState>> states = source_.site.states(paths);
  auto state = states.begin();
  for (const auto& [view, name] : views) {
    throw_if_stopped(stop_);
    const bool is_there = is_ours(*state) && (*state)->is_whole;
    ++state;
    if (is_there) continue;
    const std::string revision = set + "/" + name;
    const Head head = source_.repository.read_head(revision);
    ensure_directory(directory_ + "/" + set.substr(0, set.find('/')));
    ensure_directory(place);
    changed_(revision, true);
    add(make_view(source_, head, place + "/" + view, 0700, problem_, stop_));
  }
}

/// To the newest that is complete, or else the newest.
void Collection::point_latest(const std::string& set, const Views& views) {
  if (views.empty()) return;
  auto latest = std::prev(views.end());
  for (auto view = views.rbegin(); view != views.rend(); ++view) {
    if (source_.repository.read_head(set + "/" + view->second).outcome != Outcome::complete)
      continue;
    latest = std::prev(view.base());
    break;
  }
  source_.site.point(directory_ + "/" + set + "/" + kLatest, latest->first);
}

/// Views that are of this repository and not wanted; directories that are empty then.
void Collection::remove_others(const std::map<std::string, Views>& wanted) {
  for (const ListedFile& host : source_.site.list(directory_)) {
    if (host.stat.type != FileType::directory) continue;
    const std::string place = directory_ + "/" + host.name;
    for (const ListedFile& label : source_.site.list(place)) {
      if (label.stat.type != FileType::directory) continue;
      const std::string set = host.name + "/" + label.name;
      const auto views = wanted.find(set);
      remove_others(set, views == wanted.end() ? Views() : views->second);
    }
    source_.site.remove_if_empty(place);
  }
}

void Collection::remove_others(const std::string& set, const Views& wanted) {
  const std::string place = directory_ + "/" + set;
  std::vector<std::string> paths;
  for (const ListedFile& file : source_.site.list(place)) {
    const std::optional<std::string> view = ViewMarker::view_name(file.name);
    if (view && wanted.count(*view) == 0) paths.push_back(place + "/" + *view);
  }
  const std::vector<std::optional<ViewState>> states = source_.site.states(paths);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (!is_ours(states[i])) continue;
    changed_(set + paths[i].substr(place.size()), false);
    remove_view(source_.site, paths[i]);
    ++report_.removed;
  }
  if (wanted.empty()) source_.site.remove_symlink(place + "/" + kLatest);
  source_.site.remove_if_empty(place);
}

ViewReport Collection::update() {
  expect_outside_repository(source_.site, directory_);
  ensure_directory(directory_);
  const std::vector<Mark> marks = list_marks(source_.repository.backend());
  std::map<std::string, Views> wanted;
  for (const std::string& set : source_.repository.sets()) {
    wanted[set] = wanted_views(source_.repository, set, marks);
    make_missing(set, wanted[set]);
    point_latest(set, wanted[set]);
  }
  remove_others(wanted);
  return report_;
}

}  // namespace

ViewReport update_all_views(const ViewSource& source, const std::string& directory,
                            const ViewChange& changed, const ViewProblem& problem,
                            const std::stop_token& stop) {
  return Collection(source, directory, changed, problem, stop).update();
}

}  // namespace reverse
