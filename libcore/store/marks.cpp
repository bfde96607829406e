#include "libcore/store/marks.h"

#include <algorithm>
#include <memory>
#include <set>
#include <span>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/store/layout.h"
#include "libcore/store/reserve.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr std::uint32_t kMode = 0444;
constexpr std::size_t kDepth = 3;          // HOST/LABEL/NAME
constexpr std::size_t kMarksAtOnce = 128;  // each an open file until it has its name

/// The directories whose names a mark's own name depends on.
std::vector<RepoPath> directories_above(const RepoPath& mark) {
  RepoPath set = mark.substr(0, mark.rfind('/'));
  return {layout::kForgotten, set.substr(0, set.rfind('/')), set};
}

/// Marks a group of revisions; adds those to `made` that had none.
void publish_marks(Backend& backend, std::span<const std::string> revisions,
                   std::vector<std::string>& made) {
  std::vector<std::unique_ptr<Upload>> uploads;
  std::vector<Publication> publications;
  std::set<RepoPath> directories;
  for (const std::string& revision : revisions) {
    uploads.push_back(upload_text(backend, "", kMode));
    publications.push_back({uploads.back().get(), layout::mark(revision)});
    for (RepoPath& directory : directories_above(publications.back().target))
      directories.insert(std::move(directory));
  }
  for (const RepoPath& directory : directories) backend.make_directory(directory);
  std::vector<MoveResult> results = backend.publish(publications);
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i] == MoveResult::gone)
      fail(ErrorKind::busy,
           "{}: its temporary file or its directory was removed meanwhile; run again",
           backend.display(publications[i].target));
    if (results[i] == MoveResult::done) made.push_back(revisions[i]);
  }
  backend.barrier(std::vector<RepoPath>(directories.begin(), directories.end()));
}

}  // namespace

std::vector<Mark> marks_in(const TreeListing& listing) {
  std::vector<Mark> marks;
  for (const auto& [path, stat] : listing.entries) {
    const std::vector<std::string_view> parts = split(path, '/');
    if (parts.size() == 4 && parts[0] == layout::kForgotten && stat.type == FileType::file &&
        layout::is_revision_name(parts[3]))
      marks.push_back({fmt::format("{}/{}/{}", parts[1], parts[2], parts[3]), stat.mtime});
  }
  std::sort(marks.begin(), marks.end(),
            [](const Mark& one, const Mark& other) { return one.revision < other.revision; });
  return marks;
}

std::vector<Mark> list_marks(Backend& backend) {
  return marks_in(list_trees(backend, {layout::kForgotten}, kDepth));
}

const Mark* find_mark(const std::vector<Mark>& marks, std::string_view revision) {
  const auto at = std::lower_bound(
      marks.begin(), marks.end(), revision,
      [](const Mark& mark, std::string_view wanted) { return mark.revision < wanted; });
  return at != marks.end() && at->revision == revision ? &*at : nullptr;
}

std::vector<std::string> make_marks(Backend& backend, const std::vector<std::string>& revisions) {
  std::vector<std::string> made;
  std::span<const std::string> rest = revisions;
  while (!rest.empty()) {
    std::span<const std::string> group = rest.first(std::min(rest.size(), kMarksAtOnce));
    with_reserve(backend, [&] { publish_marks(backend, group, made); });
    rest = rest.subspan(group.size());
  }
  return made;
}

bool remove_mark(Backend& backend, std::string_view revision) {
  RepoPath mark = layout::mark(revision);
  if (!backend.remove(mark)) return false;
  RepoPath set = mark.substr(0, mark.rfind('/'));
  backend.barrier({&set, 1});
  return true;
}

}  // namespace reverse
