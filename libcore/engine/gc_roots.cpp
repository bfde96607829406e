#include "libcore/engine/gc_roots.h"

#include <algorithm>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/store/seen_heads.h"
#include "libcore/store/tree_listing.h"

namespace reverse {

namespace {

constexpr std::string_view kHeadSuffix = ".yaml";

bool is_before(const ListedRevision& one, const ListedRevision& other) {
  return one.name < other.name;
}

/// The revision whose head is at `path`; "" for what is no head.
std::string revision_at(const Backend& backend, const RepoPath& path) {
  const std::vector<std::string_view> parts = split(path, '/');
  if (parts.size() != 4 || parts[0] != layout::kManifests || !path.ends_with(kHeadSuffix))
    return "";
  const std::string_view name = parts[3].substr(0, parts[3].size() - kHeadSuffix.size());
  if (!layout::is_revision_name(name))
    fail(ErrorKind::corrupt,
         "{}: is this a revision that somebody renamed? Give it its name back, or move it "
         "elsewhere",
         backend.display(path));
  return fmt::format("{}/{}/{}", parts[1], parts[2], name);
}

std::vector<ListedRevision> revisions_in(const Backend& backend, const TreeListing& listing) {
  std::vector<ListedRevision> revisions;
  for (const auto& [path, stat] : listing.entries)
    if (std::string revision = revision_at(backend, path); !revision.empty())
      revisions.push_back({std::move(revision), stat.mtime});
  std::sort(revisions.begin(), revisions.end(), is_before);
  return revisions;
}

/// Directories of sets, or of hosts, that show nothing.
std::vector<RepoPath> empty_directories(const TreeListing& listing) {
  std::vector<RepoPath> empty;
  for (const auto& [path, stat] : listing.entries) {
    const std::vector<std::string_view> parts = split(path, '/');
    const bool is_in_between = parts[0] == layout::kManifests && parts.size() > 1 &&
                               parts.size() < 4 && layout::is_set_component(parts.back());
    if (is_in_between && stat.type == FileType::directory && listing.shows_empty(path))
      empty.push_back(path);
  }
  return empty;
}

/// A listing that is cut short can look empty; a directory that can be removed is.
void expect_empty(Backend& backend, const RepoPath& directory) {
  if (backend.remove_directory(directory) || !backend.stat(directory)) return;
  fail(ErrorKind::corrupt,
       "{} is listed as empty and is not: the server hides what is in it. Run gc on the server",
       backend.display(directory));
}

/// gc says that it removes a revision before it does, so that one that is missing has a reason.
bool was_removed_by_gc(Backend& backend, const std::string& revision) {
  return SeenHeads::read(backend).was_removed(revision);
}

void expect_all(Backend& backend, const std::vector<std::string>& seen,
                const std::vector<ListedRevision>& revisions) {
  for (const std::string& revision : seen)
    if (!std::binary_search(revisions.begin(), revisions.end(), ListedRevision{revision, {}},
                            is_before) &&
        !was_removed_by_gc(backend, revision))
      fail(ErrorKind::corrupt,
           "revision {} was there and is not listed, and no gc removed it: the server may hide it. "
           "Run gc on the server; if it was removed by hand, delete the files in gc/heads",
           printable(revision));
}

}  // namespace

namespace {

const std::vector<RepoPath> kTrees = {layout::kManifests, layout::kForgotten};
constexpr std::size_t kDepth = 3;  // HOST/LABEL/NAME

RepositoryNames names_in(const Backend& backend, const TreeListing& listing) {
  if (listing.entries.count(layout::kManifests) == 0)
    fail(ErrorKind::corrupt, "{} is missing", backend.display(layout::kManifests));
  return {revisions_in(backend, listing), marks_in(listing), {}, listing.is_complete};
}

RepositoryNames list_names_twice(Backend& backend, bool dry_run) {
  const std::vector<std::string> seen = SeenHeads::read(backend).expected();  // before it is listed
  const TreeListing listing = list_trees_twice(backend, kTrees, kDepth);
  RepositoryNames names = names_in(backend, listing);
  for (const RepoPath& directory : empty_directories(listing)) {
    if (dry_run)
      names.doubtful.push_back(directory);
    else
      expect_empty(backend, directory);
  }
  expect_all(backend, seen, names.revisions);
  return names;
}

}  // namespace

RepositoryNames list_names(const Repository& repository, bool dry_run) {
  Backend& backend = repository.backend();
  try {
    if (std::optional<TreeListing> listing = list_trees_completely(backend, kTrees, kDepth))
      return names_in(backend, *listing);
    return list_names_twice(backend, dry_run);
  } catch (const Error& error) {
    if (error.retryable()) throw;
    fail(ErrorKind::corrupt, "{}", error.what());
  }
}

void read_heads(const Repository& repository, const std::vector<std::string>& revisions,
                const std::stop_token& stop,
                const std::function<void(std::size_t, const Head&)>& visit) {
  for (std::size_t i = 0; i < revisions.size(); ++i) {
    throw_if_stopped(stop);
    repository.expect_heads(revisions, i);
    try {
      visit(i, repository.read_head(revisions[i]));
    } catch (const Error& error) {
      if (error.retryable()) throw;
      const bool is_gone = error.kind() == ErrorKind::not_found;
      if (is_gone && was_removed_by_gc(repository.backend(), revisions[i])) continue;
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
