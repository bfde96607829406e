#pragma once

#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/engine/retention.h"
#include "libcore/engine/revisions.h"
#include "libcore/store/marks.h"
#include "libcore/store/repository.h"

namespace reverse {

/// What rules say of a repository's revisions.
struct RuledRevisions {
  RetentionPlan plan;               ///< of those that the filter leaves and nobody has marked
  std::vector<std::string> forget;  ///< of them, sorted, those that nothing keeps
  std::vector<Mark> marked;         ///< that the filter leaves and that had been marked before
};

/// Reads the heads that `filter` leaves and applies `rules` to those that are not marked yet: what
/// is to go takes no place from what stays. Changes nothing. Throws `corrupt` for a head or a
/// listing that cannot be relied on, `refused` (guard "last") where a set would be left without a
/// revision.
RuledRevisions apply_rules(const Repository& repository, const RetentionRules& rules,
                           const RevisionFilter& filter, const std::set<std::string>& allow,
                           const std::stop_token& stop);

/// Marks `revisions` ("HOST/LABEL/NAME"); in a dry run only looks. Returns those that had no mark,
/// sorted. Throws `refused` (guard "last") before anything is marked.
std::vector<std::string> forget_revisions(const Repository& repository,
                                          std::vector<std::string> revisions,
                                          const std::set<std::string>& allow, bool dry_run);

/// Takes the mark of a revision back; in a dry run only looks. False if it had none. Throws
/// `exists` where gc has taken the mark before: then the revision cannot be kept any more.
bool unforget_revision(const Repository& repository, const std::string& revision, bool dry_run);

}  // namespace reverse
