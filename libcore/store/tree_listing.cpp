#include "libcore/store/tree_listing.h"

#include "libcore/base/error.h"
#include "libcore/store/layout.h"
#include "libcore/store/server_find.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

RepoPath below(const RepoPath& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

/// Adds what `directory` holds, if it is there; returns the directories that may be entered.
std::vector<RepoPath> add_listing(Backend& backend, const RepoPath& directory,
                                  std::map<RepoPath, FileStat>& entries) {
  std::vector<RepoPath> children;
  try {
    backend.list(directory, [&](const ListedFile& file) {
      RepoPath path = below(directory, file.name);
      if (file.stat.type == FileType::directory && layout::is_set_component(file.name))
        children.push_back(path);
      entries.insert_or_assign(std::move(path), file.stat);
    });
    FileStat stat;
    stat.type = FileType::directory;
    entries.emplace(directory, stat);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
  }
  return children;
}

/// Level by level, so that a distant backend can fetch a whole one at once.
void add_levels(Backend& backend, std::vector<RepoPath> level, std::size_t depth,
                std::map<RepoPath, FileStat>& entries) {
  for (; depth > 0 && !level.empty(); --depth) {
    expect_listings(backend, level);
    std::vector<RepoPath> next;
    for (const RepoPath& directory : level)
      for (RepoPath& child : add_listing(backend, directory, entries))
        next.push_back(std::move(child));
    level = std::move(next);
  }
}

}  // namespace

bool TreeListing::shows_empty(const RepoPath& directory) const {
  RepoPath prefix = directory + "/";
  auto first = entries.lower_bound(prefix);
  return first == entries.end() || !first->first.starts_with(prefix);
}

std::optional<TreeListing> list_trees_completely(Backend& backend,
                                                 const std::vector<RepoPath>& directories,
                                                 std::size_t depth) {
  TreeListing listing;
  listing.is_complete = true;
  if (backend.traits().reliable_listing) {
    add_levels(backend, directories, depth, listing.entries);
    return listing;
  }
  auto found = find_on_server(backend, directories, depth);
  if (!found) return std::nullopt;
  listing.entries = std::move(*found);
  return listing;
}

TreeListing list_trees_twice(Backend& backend, const std::vector<RepoPath>& directories,
                             std::size_t depth) {
  TreeListing listing;
  for (int looks = 0; looks < 2; ++looks)
    add_levels(backend, directories, depth, listing.entries);
  return listing;
}

TreeListing list_trees(Backend& backend, const std::vector<RepoPath>& directories,
                       std::size_t depth) {
  if (auto listing = list_trees_completely(backend, directories, depth)) return *listing;
  return list_trees_twice(backend, directories, depth);
}

}  // namespace reverse
