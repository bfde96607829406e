#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>

#include "libcore/base/error.h"
#include "libcore/base/sorted.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/engine/view.h"
#include "libcore/engine/view_marker.h"
#include "libcore/store/marks.h"

namespace reverse {

namespace {

namespace fs = std::filesystem;

constexpr const char* kLatest = "latest";

void make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    throw_errno(errno, fmt::format("make '{}'", printable(path)));
}

/// Makes `path` a link to `target`, in one step where it is one to something else.
void point(const std::string& path, const std::string& target) {
  const std::string draft = path + ".new";
  ::unlink(draft.c_str());
  if (::symlink(target.c_str(), draft.c_str()) != 0 || ::rename(draft.c_str(), path.c_str()) != 0)
    throw_errno(errno, fmt::format("link '{}'", printable(path)));
}

/// The views that one set is to have: by name below its directory, the revision's name in the set.
std::map<std::string, std::string> wanted_views(const Repository& repository,
                                                const std::string& set,
                                                const std::vector<std::string>& marked) {
  std::map<std::string, std::string> views;
  for (const std::string& name : repository.revisions(set)) {
    if (holds(marked, set + "/" + name)) continue;
    std::string time = name.substr(0, name.find('-'));
    views.emplace(views.count(time) == 0 ? time : name, name);
  }
  return views;
}

/// Keeps the views of one repository.
class Collection {
 public:
  Collection(const LocalRepository& source, const std::string& directory, const ViewChange& changed,
             const ViewProblem& problem, const std::stop_token& stop)
      : source_(source), directory_(directory), changed_(changed), problem_(problem), stop_(stop) {}

  ViewReport update();

 private:
  void make_missing(const std::string& set, const std::map<std::string, std::string>& views);
  void add(const ViewReport& report);
  void remove_others(const std::map<std::string, std::map<std::string, std::string>>& wanted);
  bool is_ours(const std::string& path, bool whole_only) const;

  const LocalRepository& source_;
  const std::string& directory_;
  const ViewChange& changed_;
  const ViewProblem& problem_;
  const std::stop_token& stop_;
  ViewReport report_;
};

/// True if there is a view of this repository at `path`.
bool Collection::is_ours(const std::string& path, bool whole_only) const {
  std::optional<ViewMarker> marker = ViewMarker::open(path, false);
  if (!marker) return false;
  const ViewState state = marker->read();
  return state.repository == source_.repository.info().id && (state.is_whole || !whole_only);
}

void Collection::add(const ViewReport& report) {
  report_.files += report.files;
  report_.directories += report.directories;
  report_.symlinks += report.symlinks;
  report_.copied += report.copied;
  report_.left_out += report.left_out;
  report_.damaged += report.damaged;
}

void Collection::make_missing(const std::string& set,
                              const std::map<std::string, std::string>& views) {
  const std::string place = directory_ + "/" + set;
  std::string latest;
  for (const auto& [view, name] : views) {
    throw_if_stopped(stop_);
    const std::string revision = set + "/" + name;
    const Head head = source_.repository.read_head(revision);
    if (head.outcome == Outcome::complete || latest.empty()) latest = view;
    if (is_ours(place + "/" + view, true)) continue;
    make_directory(directory_ + "/" + head.host);
    make_directory(place);
    changed_(revision, true);
    add(make_view(source_, head, place + "/" + view, 0700, problem_, stop_));
  }
  if (!latest.empty()) point(place + "/" + kLatest, latest);
}

/// Views that are of this repository and not wanted; directories that are empty then.
void Collection::remove_others(
    const std::map<std::string, std::map<std::string, std::string>>& wanted) {
  for (const fs::directory_entry& host : fs::directory_iterator(directory_)) {
    if (host.is_symlink() || !host.is_directory()) continue;
    for (const fs::directory_entry& label : fs::directory_iterator(host.path())) {
      if (label.is_symlink() || !label.is_directory()) continue;
      const std::string set =
          host.path().filename().string() + "/" + label.path().filename().string();
      auto views = wanted.find(set);
      for (const fs::directory_entry& file : fs::directory_iterator(label.path())) {
        std::optional<std::string> view = ViewMarker::view_name(file.path().filename().string());
        if (!view || (views != wanted.end() && views->second.count(*view) > 0)) continue;
        const std::string path = label.path().string() + "/" + *view;
        if (!is_ours(path, false)) continue;
        changed_(set + "/" + *view, false);
        remove_view(path);
        ++report_.removed;
      }
      const std::string latest = label.path().string() + "/" + kLatest;
      if (views == wanted.end() || views->second.empty()) ::unlink(latest.c_str());
      ::rmdir(label.path().c_str());
    }
    ::rmdir(host.path().c_str());
  }
}

ViewReport Collection::update() {
  make_directory(directory_);
  std::vector<std::string> marked;
  for (const Mark& mark : list_marks(source_.repository.backend())) marked.push_back(mark.revision);
  std::map<std::string, std::map<std::string, std::string>> wanted;
  for (const std::string& set : source_.repository.sets()) {
    wanted[set] = wanted_views(source_.repository, set, marked);
    make_missing(set, wanted[set]);
  }
  remove_others(wanted);
  return report_;
}

}  // namespace

ViewReport update_all_views(const LocalRepository& source, const std::string& directory,
                            const ViewChange& changed, const ViewProblem& problem,
                            const std::stop_token& stop) {
  return Collection(source, directory, changed, problem, stop).update();
}

}  // namespace reverse
