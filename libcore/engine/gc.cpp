#include "libcore/engine/gc.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <set>

#include "libcore/base/error.h"
#include "libcore/base/random.h"
#include "libcore/base/stop.h"
#include "libcore/engine/gc_roots.h"
#include "libcore/engine/gc_trash.h"
#include "libcore/engine/live_set.h"
#include "libcore/engine/sharded_set.h"
#include "libcore/store/gate.h"
#include "libcore/store/marks.h"
#include "libcore/store/reserve.h"
#include "libcore/store/seen_heads.h"
#include "libcore/store/small_files.h"
#include "libcore/store/trash.h"

namespace reverse {

namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr seconds kDefaultTrash = hours(24);
constexpr seconds kDefaultKeepUnreferenced = hours(7 * 24);
constexpr seconds kAbandonedUpload = hours(7 * 24);
constexpr seconds kAbandonedRun = hours(24);
constexpr std::uint64_t kRoomForReserve = 16 << 20;
constexpr int kPlans = 3;  // revisions may be expired by another run while they are read

/// An object that nothing refers to.
struct Candidate {
  ObjectName name;
  std::uint64_t size = 0;

  unsigned shard() const { return static_cast<unsigned char>(name.digest.bytes()[0]); }
  auto operator<=>(const Candidate&) const = default;
};

seconds unless_at_once(const GcOptions& options, seconds age) {
  return options.grace.count() == 0 ? seconds(0) : age;
}

bool holds(const std::vector<std::string>& sorted, const std::string& text) {
  return std::binary_search(sorted.begin(), sorted.end(), text);
}

/// `all` without what `taken` has; both sorted.
std::vector<std::string> without(const std::vector<std::string>& all,
                                 const std::vector<std::string>& taken) {
  std::vector<std::string> rest;
  std::set_difference(all.begin(), all.end(), taken.begin(), taken.end(), std::back_inserter(rest));
  return rest;
}

std::vector<std::string> common(const std::vector<std::string>& all,
                                const std::vector<std::string>& some) {
  std::vector<std::string> both;
  std::set_intersection(all.begin(), all.end(), some.begin(), some.end(), std::back_inserter(both));
  return both;
}

/// One run. `plan` changes nothing; `apply` does what was planned.
class Collection {
 public:
  Collection(const Repository& repository, const GcOptions& options, Observer& observer,
             const std::stop_token& stop);

  void plan();
  GcReport apply();

 private:
  Timestamp repository_time();
  bool is_past(Timestamp since, seconds age) const;
  void find_due_marks();
  void add_live(const std::vector<std::string>& revisions);
  void find_candidates();
  void look_at_object(const ListedFile& file, const std::vector<ContentKey>& live);
  void guard() const;

  void expire();
  std::vector<std::string> take_marks();
  void remove_head(const std::string& revision);
  bool move_to_trash(const ObjectName& name);
  void take_out();
  bool needs_closed_gate();
  void second_look();
  void settle_trash();
  void settle(const TrashedObject& object, bool is_needed);
  void retire(const TrashedObject& object);
  void keep_in_trash(const TrashedObject& object);
  void put_back(const TrashedObject& object);
  void make_everything_durable();
  void delete_doomed();
  void delete_remains();
  void delete_abandoned_uploads();
  void finish();

  void make_run();
  MoveResult move(const RepoPath& from, const RepoPath& to);

  const Repository& repository_;
  Backend& backend_;
  const GcOptions& options_;
  Observer& observer_;
  const std::stop_token stop_;
  const seconds trash_age_;
  const seconds unreferenced_age_;
  const std::string run_ = random_hex(16);
  bool run_made_ = false;

  Timestamp now_;  // by the repository's clock, when the run began
  SeenHeads seen_;
  std::vector<std::string> revisions_;  // as listed last; sorted, as all that follow
  std::vector<std::string> live_revisions_;
  std::vector<std::string> due_marks_;
  std::vector<std::string> half_expired_;  // an earlier run took the mark and left the head
  LiveSet live_;
  ShardedSet<Candidate> candidates_;
  Trash trash_;
  ShardedSet<TrashedObject> doomed_;
  GcReport report_;
};

Collection::Collection(const Repository& repository, const GcOptions& options, Observer& observer,
                       const std::stop_token& stop)
    : repository_(repository),
      backend_(repository.backend()),
      options_(options),
      observer_(observer),
      stop_(stop),
      trash_age_(options.trash.value_or(unless_at_once(options, kDefaultTrash))),
      unreferenced_age_(
          options.keep_unreferenced.value_or(unless_at_once(options, kDefaultKeepUnreferenced))),
      live_(repository, stop),
      trash_(repository) {}

// --- the plan

void Collection::plan() {
  now_ = repository_time();
  seen_ = SeenHeads::read(backend_);
  revisions_ = list_all_revisions(repository_, seen_, options_.dry_run);
  trash_.list();
  find_due_marks();
  half_expired_ = common(revisions_, trash_.half_expired());
  add_live(without(without(revisions_, due_marks_), half_expired_));
  find_candidates();
  guard();
}

/// What a file made now is dated. A dry run where nothing can be written takes this machine's word.
Timestamp Collection::repository_time() {
  try {
    return with_reserve(backend_, [this] {
      std::string name = random_hex(16);
      std::unique_ptr<Upload> touched = create_temporary(backend_, name, 0400);
      std::optional<FileStat> stat = backend_.stat(layout::kTemporaries + "/" + name);
      return stat ? stat->mtime : now();
    });
  } catch (const Error& error) {
    if (!options_.dry_run || error.retryable()) throw;
    return now();
  }
}

bool Collection::is_past(Timestamp since, seconds age) const {
  return age.count() == 0 || plus_seconds(since, age.count()) <= now_;
}

void Collection::find_due_marks() {
  std::map<std::string, Timestamp> marks;
  for (const std::string& revision : options_.assume_marked) marks.emplace(revision, now_);
  for (const Mark& mark : list_marks(backend_)) marks[mark.revision] = mark.made;
  for (const auto& [revision, made] : marks) {
    if (is_past(made, options_.grace)) {
      due_marks_.push_back(revision);
    } else if (holds(revisions_, revision)) {
      ++report_.marked;
      Timestamp end = plus_seconds(made, options_.grace.count());
      report_.next_expiry = std::min(report_.next_expiry.value_or(end), end);
    }
  }
}

void Collection::add_live(const std::vector<std::string>& revisions) {
  live_.add(read_roots(repository_, revisions, stop_));
  std::vector<std::string> all;
  std::set_union(live_revisions_.begin(), live_revisions_.end(), revisions.begin(), revisions.end(),
                 std::back_inserter(all));
  live_revisions_ = std::move(all);
  report_.distinct_pages = live_.distinct_pages();
}

void Collection::find_candidates() {
  for (int i = 0; i < layout::kShards; ++i) {
    throw_if_stopped(stop_);
    std::vector<ContentKey> live = live_.shard(i);
    list_if_there(backend_, layout::shard(i),
                  [&](const ListedFile& file) { look_at_object(file, live); });
  }
}

void Collection::look_at_object(const ListedFile& file, const std::vector<ContentKey>& live) {
  std::optional<ObjectName> name = parse_object_name(file.name);
  if (!name || name->digest.kind() != repository_.info().digest) return;
  ++report_.objects;
  if (refers_to(live, *name))
    ++report_.live_objects;
  else if (is_past(file.stat.mtime, unreferenced_age_))
    candidates_.add({*name, file.stat.size});
  else
    ++report_.unreferenced_kept;
}

void Collection::guard() const {
  std::uint64_t going = report_.objects - report_.live_objects - report_.unreferenced_kept;
  if (options_.allow.count("mass-gc") > 0 || going == 0) return;
  const char* advice = "nothing was changed; if that is right, add --allow mass-gc";
  if (live_.empty())
    fail(ErrorKind::refused, "no revision would be left, and all {} objects would go: {}", going,
         advice);
  if (going > report_.objects / 2)
    fail(ErrorKind::refused, "{} of {} objects would go, more than half: {}", going,
         report_.objects, advice);
}

// --- what is done

GcReport Collection::apply() {
  expire();
  take_out();
  if (needs_closed_gate()) {
    report_.gate_closed = true;
    if (!options_.dry_run) second_look();
  }
  settle_trash();
  if (report_.gate_closed && !options_.dry_run) make_everything_durable();
  delete_doomed();
  if (!options_.dry_run) delete_remains();
  delete_abandoned_uploads();
  if (!options_.dry_run) finish();
  report_.revisions = without(revisions_, report_.expired).size();
  return std::move(report_);
}

void Collection::make_run() {
  if (run_made_) return;
  with_reserve(backend_, [this] {
    backend_.make_directory(layout::kTrash);
    return backend_.make_directory(trash_run(run_));
  });
  run_made_ = true;
}

MoveResult Collection::move(const RepoPath& from, const RepoPath& to) {
  return with_reserve(backend_, [&] { return backend_.move(from, to); });
}

void Collection::expire() {
  report_.expired = options_.dry_run ? common(revisions_, due_marks_) : take_marks();
  report_.expired.insert(report_.expired.end(), half_expired_.begin(), half_expired_.end());
  std::sort(report_.expired.begin(), report_.expired.end());
  report_.expired.erase(std::unique(report_.expired.begin(), report_.expired.end()),
                        report_.expired.end());
  if (options_.dry_run || report_.expired.empty()) return;
  // Known to be removed before it is: a head that is missing must have a reason that can be seen.
  for (const std::string& revision : report_.expired) seen_.add_removed(revision);
  with_reserve(backend_, [this] { seen_.write(backend_); });
  make_run();
  for (const std::string& revision : report_.expired) remove_head(revision);
}

/// Whoever takes a mark away decides: gc by moving it, or the user by removing it. Returns the
/// revisions that gc got.
std::vector<std::string> Collection::take_marks() {
  std::vector<std::string> taken;
  for (const std::string& revision : due_marks_) {
    throw_if_stopped(stop_);
    make_run();
    if (move(layout::mark(revision), trash_path(run_, trashed_mark_name(revision))) ==
        MoveResult::done)
      taken.push_back(revision);
  }
  add_live(without(common(revisions_, due_marks_), taken));
  return common(revisions_, taken);
}

void Collection::remove_head(const std::string& revision) {
  move(layout::head(revision), trash_path(run_, trashed_head_name(revision)));
  RepoPath set = layout::set_directory(revision.substr(0, revision.rfind('/')));
  if (backend_.remove_directory(set)) backend_.remove_directory(set.substr(0, set.rfind('/')));
}

bool Collection::move_to_trash(const ObjectName& name) {
  make_run();
  return move(object_path(name), trash_path(run_, to_string(name))) == MoveResult::done;
}

void Collection::take_out() {
  for (int i = 0; i < layout::kShards; ++i) {
    std::vector<Candidate> candidates = candidates_.shard(i);
    if (candidates.empty()) continue;
    std::vector<ContentKey> live = live_.shard(i);
    for (const Candidate& candidate : candidates) {
      throw_if_stopped(stop_);
      if (refers_to(live, candidate.name)) continue;  // a mark was taken back since
      if (options_.dry_run)
        trash_.add_planned(candidate.name, candidate.size, now_);
      else if (!move_to_trash(candidate.name))
        continue;
      ++report_.taken_out;
      report_.taken_out_bytes += candidate.size;
    }
  }
  if (!options_.dry_run) trash_.list();
}

bool Collection::needs_closed_gate() {
  if (report_.taken_out > 0) return true;
  for (int i = 0; i < layout::kShards; ++i) {
    std::vector<TrashedObject> objects = trash_.shard(i);
    if (objects.empty()) continue;
    std::vector<ContentKey> live = live_.shard(i);
    for (const TrashedObject& object : objects)
      if (refers_to(live, object.name) || is_past(trash_.runs()[object.run].changed, trash_age_))
        return true;
  }
  return false;
}

void Collection::second_look() {
  with_reserve(backend_, [this] { close_gate(backend_, run_); });
  revisions_ = list_all_revisions(repository_, seen_, options_.dry_run);
  add_live(without(revisions_, live_revisions_));
}

void Collection::settle_trash() {
  for (int i = 0; i < layout::kShards; ++i) {
    std::vector<TrashedObject> objects = trash_.shard(i);
    if (objects.empty()) continue;
    std::vector<ContentKey> live = live_.shard(i);
    for (const TrashedObject& object : objects) {
      throw_if_stopped(stop_);
      settle(object, refers_to(live, object.name));
    }
  }
}

void Collection::settle(const TrashedObject& object, bool is_needed) {
  if (!is_needed) return retire(object);
  std::optional<FileStat> stored = backend_.stat(object_path(object.name));
  if (!stored) return put_back(object);
  // Another size: one of the two is damaged, and it is not for gc to say which.
  stored->size == object.size ? retire(object) : keep_in_trash(object);
}

/// What nobody needs from the trash: deleted when its time has come.
void Collection::retire(const TrashedObject& object) {
  if (is_past(trash_.runs()[object.run].changed, trash_age_))
    doomed_.add(object);
  else
    keep_in_trash(object);
}

void Collection::keep_in_trash(const TrashedObject& object) {
  ++report_.in_trash;
  report_.in_trash_bytes += object.size;
  Timestamp end = plus_seconds(trash_.runs()[object.run].changed, trash_age_.count());
  report_.trash_until = std::max(report_.trash_until.value_or(end), end);
}

void Collection::put_back(const TrashedObject& object) {
  Trash::PutBack result = Trash::PutBack::done;
  if (!options_.dry_run) result = with_reserve(backend_, [&] { return trash_.put_back(object); });
  if (result == Trash::PutBack::done) {
    ++report_.put_back;
    report_.put_back_bytes += object.size;
  } else if (result == Trash::PutBack::damaged) {
    ++report_.damaged;
    observer_.warning(fmt::format("{} is needed and damaged: it was moved to {}",
                                  backend_.display(trash_.path(object)),
                                  backend_.display(layout::kBad)));
  }
}

// --- deletion

/// Before anything goes for good: that it is not needed, or is there a second time, must hold after
/// a power cut as well, whoever made the names that say so.
void Collection::make_everything_durable() {
  std::set<RepoPath> directories = {"",
                                    layout::kManifests,
                                    layout::kForgotten,
                                    layout::kTrash,
                                    layout::kObjects,
                                    layout::kWriting};
  for (const std::vector<std::string>* revisions : {&revisions_, &report_.expired})
    for (const std::string& revision : *revisions) {
      std::string set = revision.substr(0, revision.rfind('/'));
      directories.insert(layout::set_directory(set));
      directories.insert(layout::set_directory(set.substr(0, set.find('/'))));
    }
  for (const TrashRun& run : trash_.runs()) directories.insert(trash_run(run.name));
  for (int i = 0; i < layout::kShards; ++i) directories.insert(layout::shard(i));
  std::vector<RepoPath> all(directories.begin(), directories.end());
  backend_.barrier(all);
}

void Collection::delete_doomed() {
  for (int i = 0; i < layout::kShards; ++i) {
    for (const TrashedObject& object : doomed_.shard(i)) {
      throw_if_stopped(stop_);
      if (!options_.dry_run && !backend_.remove(trash_.path(object))) continue;
      ++report_.deleted;
      report_.deleted_bytes += object.size;
    }
  }
}

/// Heads and marks that have waited long enough, marks first: one without its head would look like
/// an expiry that is to be finished. Then directories that are empty by now; a young one that never
/// held anything may be another run's.
void Collection::delete_remains() {
  for (bool marks : {true, false})
    for (const TrashedRemains& remains : trash_.remains())
      if (revision_of_trashed_mark(remains.name).has_value() == marks &&
          is_past(trash_.runs()[remains.run].changed, trash_age_))
        backend_.remove(trash_.path(remains));
  for (const TrashRun& run : trash_.runs())
    if (run.is_used || is_past(run.changed, kAbandonedRun))
      backend_.remove_directory(trash_run(run.name));
}

void Collection::delete_abandoned_uploads() {
  std::vector<ListedFile> files;
  list_if_there(backend_, layout::kTemporaries,
                [&files](const ListedFile& file) { files.push_back(file); });
  for (const ListedFile& file : files) {
    bool is_published = file.stat.links > 1;  // under its second name
    bool is_abandoned = is_published || is_past(file.stat.mtime, kAbandonedUpload);
    if (file.stat.type != FileType::file || !is_abandoned) continue;
    if (!options_.dry_run && !backend_.remove(layout::kTemporaries + "/" + file.name)) continue;
    ++report_.temporaries;
    report_.temporary_bytes += file.stat.size;
  }
}

void Collection::finish() {
  seen_.set_present(without(revisions_, report_.expired));
  seen_.write(backend_);
  backend_.barrier({});
  std::optional<std::uint64_t> room = backend_.free_bytes();
  if (room && *room < kRoomForReserve) return;
  try {
    make_reserve(backend_);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::no_space) throw;  // a quota: next time, perhaps
  }
}

}  // namespace

GcReport run_gc(const Repository& repository, const GcOptions& options, Observer& observer,
                const std::stop_token& stop) {
  for (int attempt = 1;; ++attempt) {
    Collection collection(repository, options, observer, stop);
    try {
      collection.plan();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::busy || attempt == kPlans) throw;
      continue;
    }
    return collection.apply();
  }
}

}  // namespace reverse
