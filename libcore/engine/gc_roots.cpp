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

class RevisionList {
 public:
  RevisionList(const Repository& repository, bool dry_run)
      : backend_(repository.backend()), dry_run_(dry_run) {}

  std::vector<std::string> run() {
    if (!backend_.stat(layout::kManifests))
      fail(ErrorKind::corrupt, "{} is missing", backend_.display(layout::kManifests));
    for (const std::string& host : subdirectories(layout::kManifests))
      for (const std::string& label : subdirectories(layout::set_directory(host)))
        add_set(host + "/" + label);
    return std::move(revisions_);
  }

 private:
  using Names = std::map<std::string, FileType>;

  Names names_in(const RepoPath& directory) {
    Names names;
    for (int look = backend_.traits().reliable_listing ? 1 : 0; look < 2; ++look)
      list_if_there(backend_, directory,
                    [&names](const ListedFile& file) { names.emplace(file.name, file.stat.type); });
    if (names.empty()) expect_empty(directory);
    return names;
  }

  /// A listing that is cut short can look like this; a directory that can be removed cannot.
  void expect_empty(const RepoPath& directory) {
    if (backend_.traits().reliable_listing || dry_run_ || directory == layout::kManifests) return;
    if (backend_.remove_directory(directory) || !backend_.stat(directory)) return;
    fail(ErrorKind::corrupt,
         "{} is listed as empty and is not: the server hides what is in it. Run gc on the server",
         backend_.display(directory));
  }

  std::vector<std::string> subdirectories(const RepoPath& directory) {
    std::vector<std::string> found;
    for (const auto& [name, type] : names_in(directory))
      if (type == FileType::directory && layout::is_set_component(name)) found.push_back(name);
    return found;
  }

  void add_set(const std::string& set) {
    for (const auto& [file, type] : names_in(layout::set_directory(set))) {
      std::string_view name = file;
      if (!name.ends_with(kHeadSuffix)) continue;
      name.remove_suffix(kHeadSuffix.size());
      if (!layout::is_revision_name(name))
        fail(ErrorKind::corrupt,
             "{}: is this a revision that somebody renamed? Give it its name back, or move it "
             "elsewhere",
             backend_.display(layout::set_directory(set) + "/" + file));
      revisions_.push_back(fmt::format("{}/{}", set, name));
    }
  }

  Backend& backend_;
  const bool dry_run_;
  std::vector<std::string> revisions_;
};

void expect_all_seen(const std::vector<std::string>& revisions, const SeenHeads& seen) {
  for (const std::string& revision : seen.expected())
    if (!std::binary_search(revisions.begin(), revisions.end(), revision))
      fail(ErrorKind::corrupt,
           "revision {} was there and is not listed, and no gc removed it: the server may hide it. "
           "Run gc on the server; if it was removed by hand, delete the files in gc/heads",
           printable(revision));
}

}  // namespace

std::vector<std::string> list_all_revisions(const Repository& repository, const SeenHeads& seen,
                                            bool dry_run) {
  std::vector<std::string> revisions = RevisionList(repository, dry_run).run();
  std::sort(revisions.begin(), revisions.end());
  if (!repository.backend().traits().reliable_listing) expect_all_seen(revisions, seen);
  return revisions;
}

std::vector<Root> read_roots(const Repository& repository,
                             const std::vector<std::string>& revisions,
                             const std::stop_token& stop) {
  std::vector<Root> roots;
  for (const std::string& revision : revisions) {
    throw_if_stopped(stop);
    try {
      roots.push_back({revision, PageLink::of(repository.read_head(revision).tree)});
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::not_found) continue;
      if (error.retryable()) throw;
      fail(ErrorKind::corrupt, "{}", error.what());
    }
  }
  return roots;
}

}  // namespace reverse
