#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "libcore/engine/gc_trash.h"
#include "libcore/engine/verify.h"
#include "libcore/engine/verify_agenda.h"
#include "libcore/engine/verify_pages.h"
#include "libcore/engine/verify_protection.h"

namespace reverse {

/// Compares what lies in a repository with what its revisions refer to: what is missing or has
/// another size or permissions than it should becomes a finding; what is to be read goes on the
/// agenda. One shard at a time in memory.
class Inventory {
 public:
  using Foreign = std::function<void(const RepoPath&)>;
  /// All must outlive it.
  Inventory(const VerifyDeps& deps, const VerifyOptions& options, PageSurvey& pages,
            Findings& findings, VerifyReport& report, Foreign foreign);

  /// Counts what lies beside objects/ and manifests/.
  void look_around();
  void take(Agenda& agenda);

  RepoPath path_of(const DueObject& object) const;

 private:
  struct Stored {
    ContentKey name;
    std::uint64_t size = 0;
    bool is_exposed = false;  // its permissions or owner let somebody write to it
    bool is_cited = false;
  };
  struct Shard {
    std::vector<Stored> stored;                                // sorted
    std::vector<TrashedObject> trashed;                        // sorted
    std::vector<std::pair<ContentKey, std::int64_t>> minutes;  // of `stored` at least, sorted

    Stored* find(const ContentKey& name);
    const TrashedObject* find_trashed(const ObjectName& name) const;
    std::int64_t minute_of(const ContentKey& name) const;
  };

  void look_at_root();
  void look_at_temporaries();
  Shard load(int index);
  void add_stored(Shard& shard, const RepoPath& directory, const ListedFile& file);
  void remember(Shard& shard, int index);
  void settle(const Citation& cited, Shard& shard, Agenda& agenda);
  void settle_missing(const Citation& cited, const Shard& shard, Agenda& agenda);
  void settle_uncited(const Stored& stored, const Shard& shard, Agenda& agenda);
  void add_due(DueObject due, const Shard& shard, Agenda& agenda);

  const VerifyDeps& deps_;
  Backend& backend_;
  const DigestKind kind_;
  const VerifyOptions& options_;
  PageSurvey& pages_;
  Findings& findings_;
  VerifyReport& report_;
  const Foreign foreign_;
  Trash trash_;
  const Protection protection_;
};

}  // namespace reverse
