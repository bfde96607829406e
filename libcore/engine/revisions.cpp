#include "libcore/engine/revisions.h"

#include <algorithm>

#include "libcore/base/calendar.h"
#include "libcore/base/text.h"

namespace reverse {

namespace {

bool matches_any(const std::vector<std::string>& globs, std::string_view text) {
  return globs.empty() || std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
           return glob_match(glob, text);
         });
}

std::string host_of(std::string_view set) { return std::string(set.substr(0, set.find('/'))); }

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : ", ").append(word);
  return text;
}

/// The name's time part as a point in time: "20140125T100000Z-6f0c2a7e".
Timestamp time_of_name(std::string_view name) {
  return parse_compact_utc(name.substr(0, name.find('-'))).value_or(Timestamp{});
}

/// What the words before ':' mean, in parts.
struct Selector {
  std::string set;                  // "HOST/LABEL", or empty: to be found
  std::string name;                 // revision name, in full or its time part
  std::string id;                   // hex digits, 8 or more
  std::optional<Timestamp> not_after;
  std::uint64_t back = 0;           // "~N"
};

bool is_hex_id(std::string_view text) {
  return text.size() >= 8 && text.size() <= 36 &&
         text.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

Selector parse_selector(std::string_view words, Timestamp now) {
  Selector selector;
  std::string_view rest = words;
  if (auto at = rest.find('@'); at != std::string_view::npos) {
    selector.not_after = with_context(fmt::format("'{}'", printable(words)), [&] {
      return latest_moment_value(rest.substr(at + 1), now);
    });
    rest = rest.substr(0, at);
  } else if (auto tilde = rest.rfind('~'); tilde != std::string_view::npos) {
    auto back = parse_uint(rest.substr(tilde + 1));
    if (!back) fail(ErrorKind::usage, "'{}': a number must follow '~'", printable(words));
    selector.back = *back;
    rest = rest.substr(0, tilde);
  }
  std::vector<std::string_view> parts = split(rest, '/');
  if (rest.empty() || rest == "latest") return selector;
  if (parts.size() == 1 && is_hex_id(rest)) {
    selector.id = rest;
  } else if (parts.size() == 2 || parts.size() == 3) {
    selector.set = fmt::format("{}/{}", parts[0], parts[1]);
    if (parts.size() == 3) selector.name = parts[2];
  } else {
    fail(ErrorKind::usage,
         "'{}' names no revision: give HOST/LABEL, HOST/LABEL/TIME, latest, @TIME or an id",
         printable(words));
  }
  return selector;
}

/// Newest first: heads that `selector` may mean, complete ones before it falls back to others.
Head pick(const Repository& repository, const std::string& set,
          const std::vector<std::string>& names, const Selector& selector,
          const RevisionFilter& filter) {
  std::vector<std::string> soon;  // what it takes where all are complete
  for (auto name = names.rbegin(); name != names.rend() && soon.size() <= selector.back; ++name)
    soon.push_back(set + "/" + *name);
  repository.expect_heads(soon, 0);
  for (bool complete_only : {true, false}) {
    std::uint64_t back = selector.back;
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
      if (selector.not_after && time_of_name(*name) > *selector.not_after) continue;
      Head head = repository.read_head(set + "/" + *name);
      if (complete_only && head.outcome != Outcome::complete) continue;
      if (!has_any_tag(head, filter.tags)) continue;
      if (back-- == 0) return head;
    }
  }
  fail(ErrorKind::not_found, "set '{}' has no such revision ({} in all; see 'reverse list')",
       printable(set), names.size());
}

Head pick_by_name(const Repository& repository, const Selector& selector) {
  std::vector<std::string> found;
  for (const std::string& name : repository.revisions(selector.set))
    if (name == selector.name || name.substr(0, name.find('-')) == selector.name)
      found.push_back(name);
  if (found.empty())
    fail(ErrorKind::not_found, "no revision '{}/{}'", printable(selector.set),
         printable(selector.name));
  if (found.size() > 1)
    fail(ErrorKind::usage, "'{}/{}' means several revisions: {}", printable(selector.set),
         printable(selector.name), join(found));
  return repository.read_head(selector.set + "/" + found.front());
}

Head pick_by_id(const Repository& repository, const std::string& id) {
  std::vector<std::string> found;
  for (const std::string& set : repository.sets())
    for (const std::string& name : repository.revisions(set))
      if (name.ends_with("-" + id.substr(0, 8))) found.push_back(set + "/" + name);
  for (auto name = found.begin(); name != found.end();)
    name = id.size() > 8 && !repository.read_head(*name).id.starts_with(id) ? found.erase(name)
                                                                            : name + 1;
  if (found.empty()) fail(ErrorKind::not_found, "no revision has the id '{}'", id);
  if (found.size() > 1)
    fail(ErrorKind::usage, "the id '{}' means several revisions: {}", id, join(found));
  return repository.read_head(found.front());
}

/// The source that a set's newest revision was read from.
std::string source_of_set(const Repository& repository, const std::string& set) {
  std::optional<Head> head = last_head(repository, set);
  return head ? head->source : std::string();
}

bool lies_in(const std::string& path, const std::string& source) {
  return source == "/" || path == source || path.starts_with(source + "/");
}

/// Of several sets the one that `path` (absolute) lies in: of this host first, then the longest source.
std::vector<std::string> sets_holding(const Repository& repository, std::vector<std::string> sets,
                                      const std::string& path, const std::string& this_host) {
  std::size_t longest = 0;
  bool any_of_host = false;
  std::vector<std::string> best;
  for (const std::string& set : sets) {
    std::string source = source_of_set(repository, set);
    bool of_host = host_of(set) == this_host;
    if (source.empty() || !lies_in(path, source) || (any_of_host && !of_host)) continue;
    if ((of_host && !any_of_host) || source.size() > longest) best.clear();
    if (best.empty() || source.size() == longest) best.push_back(set);
    longest = best.size() == 1 ? source.size() : longest;
    any_of_host |= of_host;
  }
  return best;
}

std::string only_set(const Repository& repository, const RevisionFilter& filter,
                     const std::optional<std::string>& path, const std::string& this_host) {
  std::vector<std::string> sets;  // that hold a revision
  for (const std::string& revision : repository.all_revisions()) {
    std::string set = revision.substr(0, revision.rfind('/'));
    if (fits_set(filter, set) && (sets.empty() || sets.back() != set))
      sets.push_back(std::move(set));
  }
  if (sets.empty()) fail(ErrorKind::not_found, "the repository holds no such revision");
  if (sets.size() > 1 && path && path->starts_with('/'))
    sets = sets_holding(repository, std::move(sets), *path, this_host);
  if (sets.empty())
    fail(ErrorKind::not_found, "no set holds '{}'", printable(*path));
  if (sets.size() > 1)
    fail(ErrorKind::usage, "several sets are possible, name one of them: {}", join(sets));
  return sets.front();
}

/// PATH relative to the source, or absolute as it was on the machine, as a path relative to the source.
std::string relative_to_source(std::string path, const Head& head) {
  if (path.starts_with('/')) {
    if (lies_in(path, head.source)) path.erase(0, head.source == "/" ? 1 : head.source.size());
    else
      fail(ErrorKind::not_found, "'{}' does not lie in '{}', which revision {} holds",
           printable(path), printable(head.source), head.revision());
  }
  std::string clean;
  for (std::string_view part : split(path, '/'))
    if (!part.empty() && part != ".") clean.append(clean.empty() ? "" : "/").append(part);
  return clean;
}

}  // namespace

bool has_any_tag(const std::vector<std::string>& tags, const std::vector<std::string>& wanted) {
  return wanted.empty() ||
         std::find_first_of(tags.begin(), tags.end(), wanted.begin(), wanted.end()) != tags.end();
}

bool has_any_tag(const Head& head, const std::vector<std::string>& tags) {
  return has_any_tag(head.tags, tags);
}

bool fits_set(const RevisionFilter& filter, const std::string& set) {
  return matches_any(filter.sets, set) && matches_any(filter.hosts, host_of(set));
}

std::vector<std::string> matching_sets(const Repository& repository, const RevisionFilter& filter) {
  std::vector<std::string> sets;
  for (std::string& set : repository.sets())
    if (fits_set(filter, set))
      sets.push_back(std::move(set));
  return sets;
}

std::vector<std::string> matching_revisions(const Repository& repository,
                                            const RevisionFilter& filter) {
  std::vector<std::string> revisions = repository.all_revisions();
  std::erase_if(revisions, [&](const std::string& revision) {
    return !fits_set(filter, revision.substr(0, revision.rfind('/')));
  });
  return revisions;
}

void visit_heads(const Repository& repository, const RevisionFilter& filter,
                 const std::function<void(const Head&)>& visit,
                 const std::function<void(const std::string&, const Error&)>& damaged) {
  const std::vector<std::string> revisions = matching_revisions(repository, filter);
  for (std::size_t i = 0; i < revisions.size(); ++i) {
    repository.expect_heads(revisions, i);
    std::optional<Head> head;
    try {
      head = repository.read_head(revisions[i]);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::not_found) continue;  // forgotten meanwhile
      if (error.kind() != ErrorKind::corrupt) throw;
      damaged(revisions[i], error);
    }
    if (head && has_any_tag(*head, filter.tags)) visit(*head);
  }
}

std::optional<Head> last_head(const Repository& repository, std::string_view set) {
  std::vector<std::string> names = repository.revisions(set);
  if (names.empty()) return std::nullopt;
  return repository.read_head(fmt::format("{}/{}", set, names.back()));
}

std::optional<Head> newest_head(const Repository& repository, std::string_view set) {
  return newest_head(repository, std::string(set), repository.revisions(set));
}

std::optional<Head> newest_head(const Repository& repository, const std::string& set,
                                const std::vector<std::string>& names) {
  if (names.empty()) return std::nullopt;
  return pick(repository, set, names, {}, {});
}

Head revision_before(const Repository& repository, const Head& head) {
  const std::string own = head.revision();
  std::vector<std::string> names = repository.revisions(head.set());
  std::erase_if(names, [&](const std::string& name) { return head.set() + "/" + name >= own; });
  std::optional<Head> newest;
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    Head found = repository.read_head(head.set() + "/" + *name);
    if (found.outcome == Outcome::complete) return found;
    if (!newest) newest = std::move(found);
  }
  if (!newest) fail(ErrorKind::not_found, "there is no revision before {}", printable(own));
  return *std::move(newest);
}

RevisionPath resolve_revision(const Repository& repository, std::string_view words,
                              const RevisionFilter& filter, const std::string& this_host,
                              Timestamp now) {
  std::optional<std::string> path;
  if (auto colon = words.find(':'); colon != std::string_view::npos) {
    path = words.substr(colon + 1);
    words = words.substr(0, colon);
  }
  Selector selector = parse_selector(words, now);
  Head head;
  if (!selector.id.empty()) {
    head = pick_by_id(repository, selector.id);
  } else if (!selector.name.empty()) {
    head = pick_by_name(repository, selector);
  } else {
    if (selector.set.empty()) selector.set = only_set(repository, filter, path, this_host);
    head = pick(repository, selector.set, repository.revisions(selector.set), selector, filter);
  }
  if (path) path = relative_to_source(*path, head);
  return {std::move(head), std::move(path)};
}

}  // namespace reverse
