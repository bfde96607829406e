#include "libcore/engine/diff.h"

#include <algorithm>
#include <map>

#include "libcore/store/content_key.h"
#include "libcore/store/object_copies.h"

namespace reverse {

namespace {

bool has_same_content(const Entry& before, const Entry& after) {
  auto content = [](const Entry& entry) {
    return std::tie(entry.size, entry.digest, entry.check, entry.error, entry.target,
                    entry.device_major, entry.device_minor, entry.repository_id);
  };
  return content(before) == content(after);
}

bool differs_in_time_only(const Entry& before, const Entry& after) {
  Entry same = after;
  same.mtime = before.mtime;
  return same == before;
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// Collects changes, and afterwards finds what moved.
class Collector {
 public:
  void take(const Entry* before, const Entry* after);
  std::vector<Change> finish();

 private:
  /// A file that came or went, to be matched with others of its content.
  struct Loose {
    ContentKey key;
    std::size_t change;
  };
  void note(std::vector<Loose>& loose, const Entry& entry) {
    if (entry.digest && entry.size > 0)
      loose.push_back({ContentKey::of(*entry.digest, entry.check), changes_.size()});
  }
  void match_moves();

  std::vector<Change> changes_;
  std::vector<Loose> came_, went_;
};

void Collector::take(const Entry* before, const Entry* after) {
  Change change;
  if (before == nullptr)
    note(came_, *after);
  else if (after == nullptr)
    note(went_, *before);
  change.kind = before == nullptr  ? Change::Kind::added
                : after == nullptr ? Change::Kind::removed
                                   : kind_of_change(*before, *after);
  change.path = (after != nullptr ? after : before)->path;
  change.type = (after != nullptr ? after : before)->type;
  change.size_before = before != nullptr ? before->size : 0;
  change.size_after = after != nullptr ? after->size : 0;
  change.only_time =
      change.kind == Change::Kind::metadata && differs_in_time_only(*before, *after);
  changes_.push_back(std::move(change));
}

/// Each file that came takes one that went and had its content, of the same name if there is one.
void Collector::match_moves() {
  std::multimap<ContentKey, std::size_t> went;
  for (const Loose& file : went_) went.emplace(file.key, file.change);
  for (const Loose& file : came_) {
    auto [begin, end] = went.equal_range(file.key);
    if (begin == end) continue;
    Change& change = changes_[file.change];
    auto origin = std::find_if(begin, end, [&](const auto& candidate) {
      return name_of(changes_[candidate.second].path) == name_of(change.path);
    });
    if (origin == end) origin = begin;
    Change& old = changes_[origin->second];
    change.kind = Change::Kind::moved;
    change.size_before = old.size_before;
    change.moved_from = std::move(old.path);
    old.path.clear();
    old.kind = Change::Kind::moved;  // told of at its new path
    went.erase(origin);
  }
  std::erase_if(changes_, [](const Change& change) {
    return change.kind == Change::Kind::moved && change.moved_from.empty();
  });
}

std::vector<Change> Collector::finish() {
  match_moves();
  return std::move(changes_);
}

}  // namespace

Change::Kind kind_of_change(const Entry& before, const Entry& after) {
  if (before.type != after.type) return Change::Kind::type;
  return has_same_content(before, after) ? Change::Kind::metadata : Change::Kind::modified;
}

void compare_revisions(const Repository& repository, const PageRef& before, const PageRef& after,
                       const DifferenceVisitor& visit) {
  compare_trees(repository.info().digest, pages_fetcher(repository), &before, after, visit,
                repository.page_hint());
}

std::vector<Change> diff_revisions(const Repository& repository, const Head& before,
                                   const Head& after) {
  Collector collector;
  compare_revisions(repository, before.tree, after.tree,
                    [&](const Entry* old_entry, const Entry* new_entry) {
                      collector.take(old_entry, new_entry);
                    });
  return collector.finish();
}

}  // namespace reverse
