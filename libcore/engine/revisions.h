#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/base/timestamp.h"
#include "libcore/store/repository.h"

namespace reverse {

/// Which revisions an operation is about; empty members do not restrict.
struct RevisionFilter {
  std::vector<std::string> sets;   ///< globs over "HOST/LABEL"; a set that fits any of them
  std::vector<std::string> hosts;  ///< globs
  std::vector<std::string> tags;   ///< a revision with any of them
};

/// A revision, and where a path was asked for, the path relative to its source.
struct RevisionPath {
  Head head;
  std::optional<std::string> path;
};

/// The heads that `filter` leaves, set by set (sorted), oldest first within a set, to `visit` one after the other.
/// A head that cannot be read goes to `damaged` (name, reason) instead.
void visit_heads(const Repository& repository, const RevisionFilter& filter,
                 const std::function<void(const Head&)>& visit,
                 const std::function<void(const std::string&, const Error&)>& damaged);

/// True if one of `tags` is wanted, or all are.
bool has_any_tag(const std::vector<std::string>& tags, const std::vector<std::string>& wanted);
/// True if `head` has one of `tags`, or there are none.
bool has_any_tag(const Head& head, const std::vector<std::string>& tags);

/// True if `filter` leaves the set "HOST/LABEL" (tags are not looked at).
bool fits_set(const RevisionFilter& filter, const std::string& set);
/// Sets that `filter` leaves (tags are not looked at).
std::vector<std::string> matching_sets(const Repository& repository, const RevisionFilter& filter);
/// "HOST/LABEL/NAME" of each revision of such sets: set by set, oldest first.
std::vector<std::string> matching_revisions(const Repository& repository,
                                            const RevisionFilter& filter);

/// The newest revision of a set, complete ones before others; nullopt if it has none.
std::optional<Head> newest_head(const Repository& repository, std::string_view set);
/// Likewise where its revisions' names are known, oldest first.
std::optional<Head> newest_head(const Repository& repository, const std::string& set,
                                const std::vector<std::string>& names);
/// The newest of a set whatever its outcome: the predecessor of the next.
std::optional<Head> last_head(const Repository& repository, std::string_view set);

/// The revision of the same set before `head`, complete ones before others. Throws `not_found`.
Head revision_before(const Repository& repository, const Head& head);

/// Finds the revision that REV or REV:PATH names (tools/reverse-snapshot/manual.md, "Revisions").
/// `this_host` is preferred where a set may be left out; `now` is what ages count back from.
/// Throws `usage` where the words leave several sets (they are listed) or mean nothing, `not_found` where they mean no revision.
RevisionPath resolve_revision(const Repository& repository, std::string_view words,
                              const RevisionFilter& filter, const std::string& this_host,
                              Timestamp now);

}  // namespace reverse
