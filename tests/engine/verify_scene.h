#pragma once

#include <set>
#include <string>
#include <vector>

#include "libcore/engine/verify.h"
#include "libcore/engine/verify_remote.h"
#include "tests/engine/gc_scene.h"

namespace reverse {

/// Three revisions that share some contents, the last of them of a tree with several pages.
struct VersionsOfPages : Versions {
  VersionsOfPages();
  std::string last;
};

/// What a verification reported.
struct Verified {
  VerifyReport report;
  std::vector<Damage> damages;
  std::unique_ptr<RecordingObserver> observer;
  std::string where, manner;  ///< who read, and what that proves

  /// "REVISION:PATH" of every name that needs a damaged content.
  std::set<std::string> paths() const;
  /// "KIND OBJECT" of every damage, each once.
  std::set<std::string> kinds() const;
};

/// `memory`: the cache directory in which it is remembered; "" for none.
Verified verify(Backend& backend, const VerifyOptions& options = {}, const std::string& memory = "",
                ProveWhere where = ProveWhere::client,
                const std::function<std::optional<std::string>(const Sums&)>& spare_page = {});
Verified verify(const Place& place, const VerifyOptions& options = {},
                const std::string& memory = "");

/// For each object in objects/ that is of the whole repository at `place`: "REVISION:PATH" of every
/// file that needs it, found by walking all trees entry by entry.
std::map<std::string, std::set<std::string>> needs_of_objects(const Place& place);

/// Full paths of all objects, sorted; with `only_files`, those alone that are the content of a file
/// in some revision.
std::vector<std::string> objects_of(const Place& place, bool only_files = false);

/// A copy of the repository at `place` in `folder`, which is made, for the user that `folder`'s
/// directory belongs to.
void copy_to(const std::string& folder, const Place& place);

/// Changes one bit of a file, which may be read-only, and leaves its size, mode and time alone.
void flip_bit(const std::string& path, std::uint64_t bit);
/// The last component.
std::string base_name(const std::string& path);

}  // namespace reverse
