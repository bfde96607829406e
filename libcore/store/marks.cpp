#include "libcore/store/marks.h"

#include <algorithm>

#include "libcore/base/error.h"
#include "libcore/store/layout.h"
#include "libcore/store/reserve.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr std::uint32_t kMode = 0444;

/// The directories directly below `directories` that can be of hosts or labels.
std::vector<RepoPath> subdirectories(Backend& backend, const std::vector<RepoPath>& directories) {
  std::vector<RepoPath> below;
  expect_listings(backend, directories);
  for (const RepoPath& directory : directories)
    list_if_there(backend, directory, [&](const ListedFile& file) {
      if (file.stat.type == FileType::directory && layout::is_set_component(file.name))
        below.push_back(directory + "/" + file.name);
    });
  return below;
}

/// The directories whose names a mark's own name depends on.
std::vector<RepoPath> directories_above(const RepoPath& mark) {
  RepoPath set = mark.substr(0, mark.rfind('/'));
  return {layout::kForgotten, set.substr(0, set.rfind('/')), set};
}

MoveResult publish_mark(Backend& backend, const RepoPath& mark) {
  for (const RepoPath& directory : directories_above(mark)) backend.make_directory(directory);
  std::unique_ptr<Upload> upload = upload_text(backend, "", kMode);
  Publication publication{upload.get(), mark};
  return backend.publish({&publication, 1}).front();
}

}  // namespace

std::vector<Mark> list_marks(Backend& backend) {
  std::vector<Mark> marks;
  std::vector<RepoPath> sets =
      subdirectories(backend, subdirectories(backend, {layout::kForgotten}));
  expect_listings(backend, sets);
  for (const RepoPath& set : sets)
    list_if_there(backend, set, [&](const ListedFile& file) {
      if (file.stat.type == FileType::file && layout::is_revision_name(file.name))
        marks.push_back(
            {set.substr(layout::kForgotten.size() + 1) + "/" + file.name, file.stat.mtime});
    });
  std::sort(marks.begin(), marks.end(),
            [](const Mark& one, const Mark& other) { return one.revision < other.revision; });
  return marks;
}

bool make_mark(Backend& backend, std::string_view revision) {
  RepoPath mark = layout::mark(revision);
  if (backend.stat(mark)) return false;
  MoveResult result = with_reserve(backend, [&] { return publish_mark(backend, mark); });
  if (result == MoveResult::gone)
    fail(ErrorKind::busy,
         "{}: its temporary file or its directory was removed meanwhile; run again",
         backend.display(mark));
  backend.barrier(directories_above(mark));
  return result == MoveResult::done;
}

bool remove_mark(Backend& backend, std::string_view revision) {
  RepoPath mark = layout::mark(revision);
  if (!backend.remove(mark)) return false;
  RepoPath set = mark.substr(0, mark.rfind('/'));
  backend.barrier({&set, 1});
  return true;
}

}  // namespace reverse
