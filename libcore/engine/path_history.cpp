#include "libcore/engine/path_history.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "libcore/base/sorted.h"
#include "libcore/base/stop.h"
#include "libcore/engine/diff.h"
#include "libcore/store/object_copies.h"
#include "libcore/store/tree_compare.h"

namespace reverse {

namespace {

/// Fetches pages, and keeps the last ones: what is new in one revision is old in the next.
class PageCache {
 public:
  explicit PageCache(PagesFetcher fetch) : fetch_(std::move(fetch)) {}

  std::vector<std::string> get(std::span<const PageRef> refs) {
    std::vector<std::string> texts(refs.size());
    std::vector<PageRef> missing;
    std::vector<std::size_t> places;  // of those in `texts`
    for (std::size_t i = 0; i < refs.size(); ++i) {
      const auto known = texts_.find(key_of(refs[i]));
      if (known != texts_.end()) {
        texts[i] = known->second;
        continue;
      }
      missing.push_back(refs[i]);
      places.push_back(i);
    }
    if (missing.empty()) return texts;
    std::vector<std::string> fetched = fetch_(missing);
    for (std::size_t i = 0; i < missing.size(); ++i) {
      keep(key_of(missing[i]), fetched[i]);
      texts[places[i]] = std::move(fetched[i]);
    }
    return texts;
  }

 private:
  static constexpr std::size_t kMaxBytes = 48 << 20;  // the tree of some 200,000 files

  static std::string key_of(const PageRef& ref) { return std::string(ref.page.bytes()); }

  void keep(std::string key, std::string text) {
    bytes_ += text.size();
    texts_.emplace(key, std::move(text));
    order_.push_back(std::move(key));
    while (bytes_ > kMaxBytes && order_.size() > 1) drop_oldest();
  }

  void drop_oldest() {
    auto oldest = texts_.find(order_.front());
    bytes_ -= oldest->second.size();
    texts_.erase(oldest);
    order_.pop_front();
  }

  PagesFetcher fetch_;
  std::unordered_map<std::string, std::string> texts_;
  std::deque<std::string> order_;
  std::size_t bytes_ = 0;
};

std::string content_name(const Entry& entry) {
  if (!entry.digest) return {};
  std::string name(entry.digest->bytes());
  if (entry.check) name += entry.check->bytes();
  return name;
}

PathState state_of(const Entry& entry) {
  return {entry.path,  entry.type,  entry.mode, entry.uid,          entry.gid,
          entry.owner, entry.mtime, entry.size, content_name(entry)};
}

/// Updates a history, set by set.
class Updater {
 public:
  Updater(const Repository& repository, History& history,
          const std::function<void(const std::string&, const Error&)>& damaged,
          const std::stop_token& stop)
      : repository_(repository),
        history_(history),
        damaged_(damaged),
        stop_(stop),
        pages_(pages_fetcher(repository)) {}

  void update(const RevisionFilter& filter);

 private:
  void add(const std::string& revision);
  void record(const Head& head, const KnownRevision* last, bool is_comparable,
              History::Recorder& recorder);
  void record_differences(const Head& head, const std::optional<PageRef>& before,
                          History::Recorder& recorder);

  const Repository& repository_;
  History& history_;
  const std::function<void(const std::string&, const Error&)>& damaged_;
  const std::stop_token& stop_;
  PageCache pages_;
};

void Updater::update(const RevisionFilter& filter) {
  std::vector<std::string> present = matching_revisions(repository_, filter);
  std::sort(present.begin(), present.end());  // "home-joe/…" goes before "home/…" here
  std::vector<std::string> known;
  std::vector<std::int64_t> gone;
  for (const KnownRevision& revision : history_.revisions()) {
    known.push_back(revision.name);
    bool is_meant = fits_set(filter, revision.name.substr(0, revision.name.rfind('/')));
    if (revision.is_listed && is_meant && !holds(present, revision.name))
      gone.push_back(revision.id);
  }
  history_.drop(gone);
  std::sort(known.begin(), known.end());
  const std::vector<std::string> added = without(present, known);
  for (std::size_t i = 0; i < added.size(); ++i) {
    repository_.expect_heads(added, i);
    add(added[i]);
  }
}

void Updater::add(const std::string& revision) {
  throw_if_stopped(stop_);
  auto add_head = [&](const Head& head, bool is_comparable) {
    std::string tree;
    append_page_ref(tree, head.tree);
    history_.add({0, 0, revision, tree, head.tags, head.bytes, true},
                 [&](const KnownRevision* last, History::Recorder& recorder) {
                   record(head, last, is_comparable, recorder);
                 });
  };
  auto is_damage = [](const Error& error) {
    return error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::not_found ||
           error.kind() == ErrorKind::no_repository;
  };
  try {
    Head head = repository_.read_head(revision);
    try {
      add_head(head, true);
    } catch (const Error& error) {
      if (!is_damage(error)) throw;
      add_head(head, false);  // the pages of the revision before may be gone with it
    }
  } catch (const Error& error) {
    if (!is_damage(error)) throw;
    damaged_(revision, error);
  }
}

void Updater::record(const Head& head, const KnownRevision* last, bool is_comparable,
                     History::Recorder& recorder) {
  std::optional<PageRef> before;
  if (last != nullptr && is_comparable)
    before = parse_page_ref(last->tree, repository_.info().digest);
  else if (last != nullptr)
    recorder.end_all();
  record_differences(head, before, recorder);
}

void Updater::record_differences(const Head& head, const std::optional<PageRef>& before,
                                 History::Recorder& recorder) {
  compare_trees(
      repository_.info().digest, [&](std::span<const PageRef> refs) { return pages_.get(refs); },
      before ? &*before : nullptr, head.tree,
      [&](const Entry* old_entry, const Entry* new_entry) {
        throw_if_stopped(stop_);
        if (new_entry == nullptr) return recorder.end(old_entry->path);
        PathState state = state_of(*new_entry);
        if (old_entry != nullptr) {
          if (state_of(*old_entry) == state) return;  // only what is not kept here
          recorder.end(old_entry->path);
        }
        bool is_new = old_entry == nullptr || content_name(*old_entry) != state.content;
        recorder.begin(state, is_new);
      },
      repository_.page_hint());
}

}  // namespace

void update_history(const Repository& repository, History& history, const RevisionFilter& filter,
                    const std::function<void(const std::string&, const Error&)>& damaged,
                    const std::stop_token& stop) {
  Updater(repository, history, damaged, stop).update(filter);
}

KnownRevisions::KnownRevisions(std::vector<KnownRevision> revisions, const RevisionFilter& filter) {
  for (KnownRevision& revision : revisions) {
    std::string set = revision.name.substr(0, revision.name.rfind('/'));
    if (!revision.is_listed || !has_any_tag(revision.tags, filter.tags) || !fits_set(filter, set))
      continue;
    names_.emplace(revision.set, std::move(set));
    revisions_.push_back(std::move(revision));
  }
  std::stable_sort(revisions_.begin(), revisions_.end(),
                   [](const auto& a, const auto& b) { return a.set < b.set; });
  for (std::size_t i = 0; i < revisions_.size(); ++i) {
    auto [place, is_first] = sets_.try_emplace(revisions_[i].set, i, i + 1);
    if (!is_first) place->second.second = i + 1;
  }
}

std::vector<const KnownRevision*> KnownRevisions::in(const PathPeriod& period) const {
  std::vector<const KnownRevision*> found;
  auto set = sets_.find(period.set);
  if (set == sets_.end()) return found;
  for (std::size_t i = set->second.first; i < set->second.second; ++i)
    if (revisions_[i].id >= period.first && revisions_[i].id <= period.last)
      found.push_back(&revisions_[i]);
  std::sort(found.begin(), found.end(), [](auto* a, auto* b) { return a->name < b->name; });
  return found;
}

const std::string* KnownRevisions::set_name(std::int64_t set) const {
  auto place = names_.find(set);
  return place == names_.end() ? nullptr : &place->second;
}

Entry entry_of(const PathState& state, DigestKind kind) {
  Entry entry;
  entry.path = state.path;
  entry.type = state.type;
  entry.mode = state.mode;
  entry.uid = state.uid;
  entry.gid = state.gid;
  entry.owner = state.owner;
  entry.mtime = state.mtime;
  entry.size = state.size;
  const std::size_t digest_bytes = kind == DigestKind::md5 ? 16 : 32;
  if (state.content.size() >= digest_bytes)
    entry.digest = Digest::from_bytes(std::string_view(state.content).substr(0, digest_bytes));
  if (state.content.size() == 32 && kind == DigestKind::md5)
    entry.check = Check::from_bytes(std::string_view(state.content).substr(16));
  return entry;
}

}  // namespace reverse
