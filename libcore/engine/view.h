#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "libcore/store/repository.h"

namespace reverse {

// Views: revisions as read-only trees of hard links to objects, or of clones where the file system
// knows them (tools/reverse-snapshot/manual.md, "view").

struct ViewReport {
  std::uint64_t files = 0, directories = 0, symlinks = 0;  ///< made
  std::uint64_t copied = 0;    ///< of the files: copies, since an object had no room for links
  std::uint64_t removed = 0;   ///< names, of an update
  std::uint64_t left_out = 0;  ///< devices, sockets, FIFOs, and what could not be backed up
  std::uint64_t damaged = 0;   ///< files whose object is missing or has another size: not made
  bool is_cloned = false;      ///< files have their own modes, owners and times
};

/// Told of files that could not be made.
using ViewProblem = std::function<void(const std::string& path, const std::string& message)>;

class ViewSite;

/// A repository, and the machine that it lies on.
struct ViewSource {
  const Repository& repository;
  ViewSite& site;
};

/// Makes a view of `head` at `directory` (its parent must be there), with `mode` for the directory
/// itself. What an interrupted run left there is made anew. Throws `exists` where
/// something else lies, `unsupported` where no links can be made, `busy`, `Cancelled`.
ViewReport make_view(const ViewSource& source, const Head& head, const std::string& directory,
                     std::uint32_t mode, const ViewProblem& problem, const std::stop_token& stop);

/// Makes the view at `directory` one of `head`, by what is different; whole where that cannot be
/// told. Throws `not_found` if there is no view of this repository.
ViewReport update_view(const ViewSource& source, const Head& head,
                       const std::string& directory, const ViewProblem& problem,
                       const std::stop_token& stop);

/// Removes the view at `directory`; objects keep their modes. Throws `not_found` if there is none.
void remove_view(ViewSite& site, const std::string& directory);

/// What `update_all_views` did with a revision's view.
using ViewChange = std::function<void(std::string_view revision, bool is_made)>;

/// Keeps `directory`/HOST/LABEL/TIME a view of each revision, and `latest` beside them a link to the
/// newest that is complete. Views of revisions that are marked to go, or gone, are removed; those
/// that are there are not looked at.
ViewReport update_all_views(const ViewSource& source, const std::string& directory,
                            const ViewChange& changed, const ViewProblem& problem,
                            const std::stop_token& stop);

}  // namespace reverse
