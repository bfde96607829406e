#include "libcore/engine/verify_heads.h"

#include <algorithm>
#include <optional>

#include "libcore/base/error.h"
#include "libcore/base/sorted.h"
#include "libcore/base/stop.h"
#include "libcore/store/seen_heads.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr std::string_view kHeadSuffix = ".yaml";

class HeadReader {
 public:
  HeadReader(const VerifyDeps& deps, VerifyReport& report,
             const std::function<void(const RepoPath&)>& foreign)
      : deps_(deps), backend_(deps.repository.backend()), report_(report), foreign_(foreign) {}

  std::vector<VerifiedHead> run(const VerifyOptions& options) {
    std::vector<std::string> revisions = options.revisions;
    if (revisions.empty()) {
      std::optional<SeenHeads> seen = read_seen();
      revisions = list();
      if (seen) expect_all(*seen, revisions);
    }
    std::sort(revisions.begin(), revisions.end());
    for (std::size_t i = 0; i < revisions.size(); ++i) {
      throw_if_stopped(deps_.stop);
      deps_.repository.expect_heads(revisions, i);
      read(revisions[i]);
    }
    return std::move(heads_);
  }

 private:
  std::optional<SeenHeads> read_seen() {
    try {
      return SeenHeads::read(backend_);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt) throw;
      deps_.observer.warning(error.what());
      return std::nullopt;
    }
  }

  std::vector<RepoPath> subdirectories(const std::vector<RepoPath>& directories) {
    std::vector<RepoPath> below;
    expect_listings(backend_, directories);
    for (const RepoPath& directory : directories)
      list_if_there(backend_, directory, [&](const ListedFile& file) {
        bool is_part = file.stat.type == FileType::directory && layout::is_set_component(file.name);
        is_part ? below.push_back(directory + "/" + file.name)
                : foreign_(directory + "/" + file.name);
      });
    return below;
  }

  std::vector<std::string> list() {
    std::vector<std::string> revisions;
    std::vector<RepoPath> sets = subdirectories(subdirectories({layout::kManifests}));
    expect_listings(backend_, sets);
    for (const RepoPath& set : sets)
      list_if_there(backend_, set, [&](const ListedFile& file) {
        std::string_view name = file.name;
        bool is_head = name.ends_with(kHeadSuffix);
        if (is_head) name.remove_suffix(kHeadSuffix.size());
        if (!is_head || !layout::is_revision_name(name)) return foreign_(set + "/" + file.name);
        revisions.push_back(fmt::format(
            "{}/{}", std::string_view(set).substr(layout::kManifests.size() + 1), name));
      });
    return revisions;
  }

  /// A listing may hide a head, and somebody may have lost one.
  void expect_all(const SeenHeads& seen, std::vector<std::string>& revisions) {
    std::sort(revisions.begin(), revisions.end());
    std::optional<SeenHeads> now;
    for (const std::string& revision : without(seen.expected(), revisions)) {
      if (backend_.stat(layout::head(revision))) {
        revisions.push_back(revision);
        continue;
      }
      if (!now) now = read_seen();
      if (now && now->was_removed(revision)) continue;  // by gc, a moment ago
      tell(revision,
           "gc has seen this revision, and no gc removed it; if somebody did by hand, delete the "
           "files in gc/heads");
    }
  }

  void read(const std::string& revision) {
    try {
      Head head = deps_.repository.read_head(revision);
      heads_.push_back({revision, std::move(head.tree)});
      ++report_.revisions;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::not_found) return;  // it went while we looked
      bool is_about_it = error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::io;
      if (!is_about_it) throw;
      tell(revision, error.what());
    }
  }

  void tell(const std::string& revision, const std::string& note) {
    ++report_.manifests_damaged;
    Damage damage;
    damage.kind = DamageKind::manifest;
    damage.revision = revision;
    damage.note = note;
    deps_.tell(damage);
  }

  const VerifyDeps& deps_;
  Backend& backend_;
  VerifyReport& report_;
  const std::function<void(const RepoPath&)>& foreign_;
  std::vector<VerifiedHead> heads_;
};

}  // namespace

std::vector<VerifiedHead> verify_heads(const VerifyDeps& deps, const VerifyOptions& options,
                                       VerifyReport& report,
                                       const std::function<void(const RepoPath&)>& foreign) {
  return HeadReader(deps, report, foreign).run(options);
}

}  // namespace reverse
