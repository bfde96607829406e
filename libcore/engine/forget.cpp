#include "libcore/engine/forget.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "libcore/base/error.h"
#include "libcore/base/sorted.h"
#include "libcore/engine/gc_roots.h"
#include "libcore/engine/gc_trash.h"

namespace reverse {

namespace {

std::string set_of(const std::string& revision) {
  return revision.substr(0, revision.rfind('/'));
}

/// Seconds east of UTC in an RFC 3339 time that was parsed.
std::int32_t offset_of(const std::string& text, Timestamp parsed) {
  std::size_t zone = text.find_first_of("Zz+-", text.find('T'));
  std::optional<Timestamp> local = parse_rfc3339(text.substr(0, zone) + "Z");
  return local ? static_cast<std::int32_t>(local->seconds - parsed.seconds) : 0;
}

std::vector<std::string> names_of(const std::vector<Mark>& marks) {
  std::vector<std::string> names;
  for (const Mark& mark : marks) names.push_back(mark.revision);
  return names;
}

std::vector<std::string> names_of(const std::vector<ListedRevision>& revisions) {
  std::vector<std::string> names;
  for (const ListedRevision& revision : revisions) names.push_back(revision.name);
  return names;
}

bool is_finished(const Repository& repository, const std::string& revision) {
  return repository.read_head(revision).outcome != Outcome::checkpoint;
}

/// True if one of `revisions`, tried from the last on, is there and is no checkpoint. One that
/// cannot be read counts as little as one that is gone.
bool any_finished(const Repository& repository, const std::vector<std::string>& revisions) {
  return std::any_of(revisions.rbegin(), revisions.rend(), [&](const std::string& revision) {
    try {
      return is_finished(repository, revision);
    } catch (const Error& error) {
      if (error.retryable()) throw;
      return false;
    }
  });
}

/// Something must be left of every set; if it has revisions of runs that came to their end, one of
/// those. All are sorted; `all` holds at least every revision of the sets concerned.
void guard_last(const Repository& repository, const std::vector<std::string>& all,
                const std::vector<std::string>& forgotten, const std::vector<std::string>& marked,
                const std::set<std::string>& allow) {
  if (allow.count("last") > 0) return;
  std::map<std::string, std::vector<std::string>> going, staying;
  for (const std::string& revision : forgotten) going[set_of(revision)].push_back(revision);
  for (const std::string& revision : without(without(all, marked), forgotten))
    staying[set_of(revision)].push_back(revision);
  for (const auto& [set, revisions] : going) {
    const std::vector<std::string>& left = staying[set];
    if (any_finished(repository, left) || (!left.empty() && !any_finished(repository, revisions)))
      continue;
    fail(ErrorKind::refused,
         "{} would be left without a revision: nothing was changed; if that is right, add --allow "
         "last",
         set);
  }
}

/// Every revision of the sets that `revisions` are of, sorted.
std::vector<std::string> all_of_their_sets(const Repository& repository,
                                           const std::vector<std::string>& revisions) {
  std::set<std::string> sets;
  for (const std::string& revision : revisions) sets.insert(set_of(revision));
  std::vector<std::string> all;
  for (const std::string& set : sets)
    for (const std::string& name : repository.revisions(set)) all.push_back(set + "/" + name);
  std::sort(all.begin(), all.end());
  return all;
}

DatedRevision dated(const ListedRevision& listed, const Head& head) {
  Timestamp started = parse_rfc3339(head.started).value_or(listed.arrived);
  return {listed.name,    started,      offset_of(head.started, started),
          listed.arrived, head.outcome, head.tags};
}

/// Whether gc has taken the mark of a revision and not come to move its head yet.
bool is_being_expired(const Repository& repository, const std::string& revision) {
  Trash trash(repository);
  trash.list();
  return holds(trash.half_expired(), revision);
}

}  // namespace

RuledRevisions apply_rules(const Repository& repository, const RetentionRules& rules,
                           const RevisionFilter& filter, const std::set<std::string>& allow,
                           const std::stop_token& stop) {
  RuledRevisions result;
  RepositoryNames listed = list_names(repository, true);
  const std::vector<std::string> all = names_of(listed.revisions);
  const std::vector<std::string> marked = names_of(listed.marks);
  std::erase_if(listed.revisions, [&](const ListedRevision& revision) {
    return !fits_set(filter, set_of(revision.name)) || holds(marked, revision.name);
  });
  const std::vector<std::string> names = names_of(listed.revisions);
  std::vector<DatedRevision> revisions;
  read_heads(repository, names, stop, [&](std::size_t i, const Head& head) {
    if (has_any_tag(head, filter.tags)) revisions.push_back(dated(listed.revisions[i], head));
  });
  result.plan = apply_retention(rules, std::move(revisions));
  for (const Verdict& verdict : result.plan.verdicts)
    if (verdict.reasons.empty()) result.forget.push_back(verdict.revision);
  std::sort(result.forget.begin(), result.forget.end());
  guard_last(repository, all, result.forget, marked, allow);
  for (Mark& mark : listed.marks)
    if (fits_set(filter, set_of(mark.revision)) && holds(all, mark.revision))
      result.marked.push_back(std::move(mark));
  return result;
}

std::vector<std::string> forget_revisions(const Repository& repository,
                                          std::vector<std::string> revisions,
                                          const std::set<std::string>& allow, bool dry_run) {
  std::sort(revisions.begin(), revisions.end());
  revisions.erase(std::unique(revisions.begin(), revisions.end()), revisions.end());
  std::vector<std::string> marked = names_of(list_marks(repository.backend()));
  std::vector<std::string> unmarked = without(revisions, marked);
  guard_last(repository, all_of_their_sets(repository, unmarked), unmarked, marked, allow);
  return dry_run ? unmarked : make_marks(repository.backend(), unmarked);
}

bool unforget_revision(const Repository& repository, const std::string& revision, bool dry_run) {
  Backend& backend = repository.backend();
  if (dry_run ? backend.stat(layout::mark(revision)).has_value() : remove_mark(backend, revision))
    return true;
  if (is_being_expired(repository, revision))
    fail(
        ErrorKind::exists,
        "{} cannot be taken back: its grace has ended and gc has begun to remove it. What it holds "
        "can still be restored until gc runs again",
        revision);
  return false;
}

}  // namespace reverse
