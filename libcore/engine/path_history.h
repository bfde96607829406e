#pragma once

#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/catalog/history.h"
#include "libcore/engine/revisions.h"
#include "libcore/store/repository.h"

namespace reverse {

/// Brings `history` up to what the repository holds of the sets that `filter` leaves (tags are not
/// looked at): reads the heads it does not know, and of their trees what differs from the revision
/// before. What cannot be read goes to `damaged` (revision, reason), is left out, and tried again
/// the next time. Throws what the backend and the history throw; `Cancelled`.
void update_history(const Repository& repository, History& history, const RevisionFilter& filter,
                    const std::function<void(const std::string&, const Error&)>& damaged,
                    const std::stop_token& stop);

/// The listed revisions of a history that a filter leaves, to be asked which of them lie in a
/// period.
class KnownRevisions {
 public:
  KnownRevisions(std::vector<KnownRevision> revisions, const RevisionFilter& filter);

  /// Those that have the period's state, in order of names; pointers into this object.
  std::vector<const KnownRevision*> in(const PathPeriod& period) const;
  /// "HOST/LABEL" of a set with revisions; nullptr for others.
  const std::string* set_name(std::int64_t set) const;

  const std::vector<KnownRevision>& all() const { return revisions_; }

 private:
  std::vector<KnownRevision> revisions_;                          // by set, then by id
  std::map<std::int64_t, std::pair<std::size_t, std::size_t>> sets_;  // begin and end
  std::map<std::int64_t, std::string> names_;
};

/// The entry that a state was made of, as far as it tells: without attributes and targets.
Entry entry_of(const PathState& state, DigestKind kind);

}  // namespace reverse
