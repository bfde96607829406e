#include "libcore/engine/gc_roots.h"

#include <algorithm>
#include <map>
#include <set>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr std::string_view kHeadSuffix = ".yaml";
constexpr std::size_t kHeadsAhead = 256;  // that a distant backend is asked for at once

bool is_before(const ListedRevision& one, const ListedRevision& other) {
  return one.name < other.name;
}

/// Lists manifests/ level by level, so that a distant backend can fetch a whole level at once.
class RevisionList {
 public:
  RevisionList(const Repository& repository, bool dry_run)
      : backend_(repository.backend()), dry_run_(dry_run) {}

  std::vector<ListedRevision> run() {
    if (!backend_.stat(layout::kManifests))
      fail(ErrorKind::corrupt, "{} is missing", backend_.display(layout::kManifests));
    std::vector<RepoPath> sets = subdirectories(subdirectories({layout::kManifests}));
    for (const auto& [directory, names] : look_into(sets)) add_set(directory, names);
    return std::move(revisions_);
  }

 private:
  using Names = std::map<std::string, FileStat>;
  using Directories = std::map<RepoPath, Names>;

  Directories look_into(const std::vector<RepoPath>& directories) {
    Directories found;
    for (int look = backend_.traits().reliable_listing ? 1 : 0; look < 2; ++look) {
      expect_listings(backend_, directories);
      for (const RepoPath& directory : directories)
        list_if_there(backend_, directory, [&](const ListedFile& file) {
          found[directory].emplace(file.name, file.stat);
        });
    }
    for (const RepoPath& directory : directories)
      if (found.count(directory) == 0) expect_empty(directory);
    return found;
  }

  /// A listing that is cut short can look like this; a directory that can be removed cannot.
  void expect_empty(const RepoPath& directory) {
    if (backend_.traits().reliable_listing || dry_run_ || directory == layout::kManifests) return;
    if (backend_.remove_directory(directory) || !backend_.stat(directory)) return;
    fail(ErrorKind::corrupt,
         "{} is listed as empty and is not: the server hides what is in it. Run gc on the server",
         backend_.display(directory));
  }

  std::vector<RepoPath> subdirectories(const std::vector<RepoPath>& directories) {
    std::vector<RepoPath> below;
    for (const auto& [directory, names] : look_into(directories))
      for (const auto& [name, stat] : names)
        if (stat.type == FileType::directory && layout::is_set_component(name))
          below.push_back(directory + "/" + name);
    return below;
  }

  void add_set(const RepoPath& directory, const Names& names) {
    std::string set = directory.substr(layout::kManifests.size() + 1);
    for (const auto& [file, stat] : names) {
      std::string_view name = file;
      if (!name.ends_with(kHeadSuffix)) continue;
      name.remove_suffix(kHeadSuffix.size());
      if (!layout::is_revision_name(name))
        fail(ErrorKind::corrupt,
             "{}: is this a revision that somebody renamed? Give it its name back, or move it "
             "elsewhere",
             backend_.display(directory + "/" + file));
      revisions_.push_back({fmt::format("{}/{}", set, name), stat.mtime});
    }
  }

  Backend& backend_;
  const bool dry_run_;
  std::vector<ListedRevision> revisions_;
};

void expect_all_seen(const std::vector<ListedRevision>& revisions, const SeenHeads& seen) {
  for (const std::string& revision : seen.expected())
    if (!std::binary_search(revisions.begin(), revisions.end(), ListedRevision{revision, {}},
                            is_before))
      fail(ErrorKind::corrupt,
           "revision {} was there and is not listed, and no gc removed it: the server may hide it. "
           "Run gc on the server; if it was removed by hand, delete the files in gc/heads",
           printable(revision));
}

void expect_heads(Backend& backend, const std::vector<std::string>& revisions, std::size_t begin) {
  std::vector<Expected> heads;
  for (std::size_t i = begin; i < std::min(begin + kHeadsAhead, revisions.size()); ++i)
    heads.push_back({layout::head(revisions[i])});
  backend.expect(heads);
}

}  // namespace

std::vector<ListedRevision> list_all_revisions(const Repository& repository, const SeenHeads& seen,
                                               bool dry_run) {
  std::vector<ListedRevision> revisions = RevisionList(repository, dry_run).run();
  std::sort(revisions.begin(), revisions.end(), is_before);
  if (!repository.backend().traits().reliable_listing) expect_all_seen(revisions, seen);
  return revisions;
}

void read_heads(const Repository& repository, const std::vector<std::string>& revisions,
                const std::stop_token& stop,
                const std::function<void(std::size_t, const Head&)>& visit) {
  for (std::size_t i = 0; i < revisions.size(); ++i) {
    throw_if_stopped(stop);
    if (i % kHeadsAhead == 0) expect_heads(repository.backend(), revisions, i);
    try {
      visit(i, repository.read_head(revisions[i]));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::not_found) continue;
      if (error.retryable()) throw;
      fail(ErrorKind::corrupt, "{}", error.what());
    }
  }
}

std::vector<Root> read_roots(const Repository& repository,
                             const std::vector<std::string>& revisions,
                             const std::stop_token& stop) {
  std::vector<Root> roots;
  read_heads(repository, revisions, stop, [&](std::size_t i, const Head& head) {
    roots.push_back({revisions[i], PageLink::of(head.tree)});
  });
  return roots;
}

}  // namespace reverse
