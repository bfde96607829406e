#include "libcore/engine/stats.h"

#include <algorithm>
#include <map>

namespace reverse {

namespace {

std::map<std::int64_t, Amount> by_id(std::vector<std::pair<std::int64_t, Amount>> amounts) {
  return {amounts.begin(), amounts.end()};
}

Amount amount_of(const std::map<std::int64_t, Amount>& amounts, std::int64_t id) {
  auto place = amounts.find(id);
  return place == amounts.end() ? Amount{} : place->second;
}

}  // namespace

const RevisionStats* SetStats::largest_churn() const {
  const RevisionStats* largest = nullptr;
  for (const RevisionStats& revision : revisions)
    if (revision.arrived && revision.arrived->bytes > 0 &&
        (largest == nullptr || revision.arrived->bytes > largest->arrived->bytes))
      largest = &revision;
  return largest;
}

RepositoryStats make_stats(History& history, const RevisionFilter& filter) {
  const std::map<std::int64_t, Amount> unique = by_id(history.totals_of_sets()),
                                       alone = by_id(history.held_alone()),
                                       arrived = by_id(history.arrivals());
  const KnownRevisions revisions(history.revisions(), filter);
  std::map<std::string, SetStats> sets;
  for (const KnownRevision& revision : revisions.all()) {
    const std::string& name = *revisions.set_name(revision.set);
    SetStats& set = sets[name];
    RevisionStats stats{revision.name, revision.bytes, amount_of(alone, revision.id), std::nullopt};
    if (!set.revisions.empty()) stats.arrived = amount_of(arrived, revision.id);
    set.name = name;
    set.unique = amount_of(unique, revision.set);
    set.logical_bytes += revision.bytes;
    set.revisions.push_back(std::move(stats));
  }
  RepositoryStats stats;
  stats.unique = history.total();
  for (const KnownRevision& revision : history.revisions())
    if (revision.is_listed) stats.logical_bytes += revision.bytes;
  for (auto& [name, set] : sets) {
    std::sort(set.revisions.begin(), set.revisions.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    stats.sets.push_back(std::move(set));
  }
  return stats;
}

}  // namespace reverse
