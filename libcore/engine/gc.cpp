#include "libcore/engine/gc.h"

#include <algorithm>
#include <set>
#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/sorted.h"
#include "libcore/base/stop.h"
#include "libcore/engine/gc_plan.h"
#include "libcore/store/gate.h"
#include "libcore/store/marks.h"
#include "libcore/store/reserve.h"
#include "libcore/store/small_files.h"
#include "libcore/store/trash.h"

namespace reverse {

namespace {

constexpr std::uint64_t kRoomForReserve = 4 << 20;  // a full disk is the one that needs it
constexpr std::size_t kAtOnce = 4096;  // objects that are moved or deleted together
constexpr int kPlans = 3;  // revisions may be expired by another run while they are read

/// One run: the plan, and then what follows from it. In a dry run the same steps, each of which
/// leaves the repository alone.
class Collection {
 public:
  Collection(const Repository& repository, const GcOptions& options, Observer& observer,
             const std::stop_token& stop)
      : backend_(repository.backend()),
        options_(options),
        observer_(observer),
        stop_(stop),
        ages_(backend_, options),
        plan_(repository, options, ages_, report_, stop) {}

  void plan();
  GcReport apply();

 private:
  void expire();
  std::vector<std::string> take_marks();
  void remove_heads();
  void take_out();
  void take_out(const std::vector<GcCandidate>& candidates);
  bool needs_closed_gate();
  void second_look();
  void settle_trash();
  void settle(const TrashedObject& object, bool is_needed);
  void retire(const TrashedObject& object);
  void keep_in_trash(const TrashedObject& object);
  void put_back(const TrashedObject& object);
  void make_everything_durable();
  void delete_doomed();
  void delete_all(const std::vector<TrashedObject>& objects);
  std::vector<bool> remove(const std::vector<RepoPath>& paths);
  void delete_remains();
  bool can_go(const TrashedRemains& remains);
  void delete_abandoned_uploads();
  void finish();
  void restore_reserve();

  Backend& backend_;
  const GcOptions& options_;
  Observer& observer_;
  const std::stop_token stop_;
  const GcAges ages_;
  TakeOut run_{backend_};
  GcReport report_;
  GcPlan plan_;
  ShardedSet<TrashedObject> doomed_;
};

void Collection::plan() {
  plan_.make();
  for (const RepoPath& directory : plan_.doubtful)
    observer_.warning(fmt::format(
        "{} is listed as empty, which this server's word does not prove; a run that is not dry "
        "makes sure, and stops if it is not",
        backend_.display(directory)));
}

// --- what is done

GcReport Collection::apply() {
  if (!options_.dry_run) report_.forgotten = make_marks(backend_, report_.forgotten);
  expire();
  take_out();
  if (needs_closed_gate()) {
    report_.gate_closed = true;
    if (!options_.dry_run) second_look();
  }
  settle_trash();
  if ((report_.gate_closed || run_.has_begun()) && !options_.dry_run) make_everything_durable();
  delete_doomed();
  if (!options_.dry_run) delete_remains();
  delete_abandoned_uploads();
  if (!options_.dry_run) finish();
  report_.revisions = without(plan_.revisions, report_.expired).size();
  return std::move(report_);
}

void Collection::expire() {
  std::vector<std::string> due = options_.dry_run ? plan_.due_marks : take_marks();
  report_.expired = united(common(plan_.revisions, due), plan_.half_expired);
  if (!options_.dry_run && !report_.expired.empty()) remove_heads();
}

/// Whoever takes a mark away decides: gc by moving it, or the user by removing it. Returns the
/// revisions that gc got; the others count in full again.
std::vector<std::string> Collection::take_marks() {
  std::vector<TakeOut::Item> marks;
  for (const std::string& revision : plan_.due_marks)
    marks.push_back({layout::mark(revision), trashed_mark_name(revision)});
  const std::vector<bool> is_moved = run_.move(marks);
  std::vector<std::string> taken;
  for (std::size_t i = 0; i < marks.size(); ++i)
    if (is_moved[i]) taken.push_back(plan_.due_marks[i]);
  plan_.add_live(united(taken, plan_.half_expired));
  return taken;
}

void Collection::remove_heads() {
  // Known to be removed before it is: a head that is missing must have a reason that can be seen.
  for (const std::string& revision : report_.expired) plan_.seen.add_removed(revision);
  with_reserve(backend_, [this] { plan_.seen.write(backend_); });
  std::vector<TakeOut::Item> heads;
  std::set<RepoPath> sets;
  for (const std::string& revision : report_.expired) {
    heads.push_back({layout::head(revision), trashed_head_name(revision)});
    sets.insert(layout::set_directory(revision.substr(0, revision.rfind('/'))));
  }
  run_.move(heads);
  for (const RepoPath& set : sets)
    if (backend_.remove_directory(set)) backend_.remove_directory(set.substr(0, set.rfind('/')));
}

void Collection::take_out() {
  std::vector<GcCandidate> going;
  for (int i = 0; i < layout::kShards; ++i) {
    std::vector<GcCandidate> candidates = plan_.candidates.shard(i);
    throw_if_stopped(stop_);
    std::vector<ContentKey> live;
    if (!candidates.empty()) live = plan_.live.shard(i);
    for (const GcCandidate& candidate : candidates)
      if (!refers_to(live, candidate.name))  // else a mark was taken back since
        going.push_back(candidate);
    if (going.size() >= kAtOnce || i + 1 == layout::kShards) take_out(std::exchange(going, {}));
  }
  if (run_.has_begun()) plan_.trash.list();  // heads and marks go the same way where no object does
}

void Collection::take_out(const std::vector<GcCandidate>& candidates) {
  std::vector<TakeOut::Item> items;
  for (const GcCandidate& candidate : candidates)
    items.push_back({object_path(candidate.name), to_string(candidate.name)});
  std::vector<bool> is_moved(items.size(), true);
  if (!options_.dry_run) is_moved = run_.move(items);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const GcCandidate& candidate = candidates[i];
    if (!is_moved[i]) continue;
    if (options_.dry_run)
      plan_.trash.add_planned(candidate.name, candidate.size, ages_.begun());
    ++report_.taken_out;
    report_.taken_out_bytes += candidate.size;
  }
}

/// Whether anything is to be put back or deleted, which takes a second look.
bool Collection::needs_closed_gate() {
  if (report_.taken_out > 0) return true;
  for (int i = 0; i < layout::kShards; ++i) {
    std::vector<TrashedObject> objects = plan_.trash.shard(i);
    if (objects.empty()) continue;
    std::vector<ContentKey> live = plan_.live.shard(i);
    for (const TrashedObject& object : objects)
      if (refers_to(live, object.name) || ages_.trash_is_due(plan_.trash.taken_out(object)))
        return true;
  }
  return false;
}

/// Once the gate is closed, what is published is all there is: whatever no revision refers to now
/// is not needed by any writer either, since each of them looks again.
void Collection::second_look() {
  with_reserve(backend_, [this] { close_gate(backend_, run_.run()); });
  plan_.list_revisions();
  plan_.add_live();
}

void Collection::settle_trash() {
  for (int i = 0; i < layout::kShards; ++i) {
    std::vector<TrashedObject> objects = plan_.trash.shard(i);
    if (objects.empty()) continue;
    std::vector<ContentKey> live = plan_.live.shard(i);
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
  if (ages_.trash_is_due(plan_.trash.taken_out(object)))
    doomed_.add(object);
  else
    keep_in_trash(object);
}

void Collection::keep_in_trash(const TrashedObject& object) {
  ++report_.in_trash;
  report_.in_trash_bytes += object.size;
  Timestamp end = ages_.trash_end(plan_.trash.taken_out(object));
  report_.trash_until = std::max(report_.trash_until.value_or(end), end);
}

void Collection::put_back(const TrashedObject& object) {
  PutBack result = PutBack::done;
  if (!options_.dry_run)
    result = with_reserve(backend_, [&] { return plan_.trash.put_back(object); });
  if (result == PutBack::done) {
    ++report_.put_back;
    report_.put_back_bytes += object.size;
  } else if (result == PutBack::damaged) {
    ++report_.damaged;
    observer_.warning(fmt::format("{} is needed and damaged: it was moved to {}",
                                  backend_.display(plan_.trash.path(object)),
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
  for (const std::vector<std::string>* revisions : {&plan_.revisions, &report_.expired})
    for (const std::string& revision : *revisions) {
      std::string set = revision.substr(0, revision.rfind('/'));
      directories.insert(layout::set_directory(set));
      directories.insert(layout::set_directory(set.substr(0, set.find('/'))));
    }
  for (const TrashRun& run : plan_.trash.runs()) directories.insert(trash_run(run.name));
  for (int i = 0; i < layout::kShards; ++i) directories.insert(layout::shard(i));
  std::vector<RepoPath> all(directories.begin(), directories.end());
  backend_.barrier(all);
}

void Collection::delete_doomed() {
  std::vector<TrashedObject> going;
  for (int i = 0; i < layout::kShards; ++i) {
    throw_if_stopped(stop_);
    const std::vector<TrashedObject> doomed = doomed_.shard(i);
    going.insert(going.end(), doomed.begin(), doomed.end());
    if (going.size() >= kAtOnce || i + 1 == layout::kShards) delete_all(std::exchange(going, {}));
  }
}

void Collection::delete_all(const std::vector<TrashedObject>& objects) {
  std::vector<RepoPath> paths;
  for (const TrashedObject& object : objects) paths.push_back(plan_.trash.path(object));
  const std::vector<bool> is_removed = remove(paths);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (!is_removed[i]) continue;
    ++report_.deleted;
    report_.deleted_bytes += objects[i].size;
  }
}

/// True for those that were there; in dry runs all.
std::vector<bool> Collection::remove(const std::vector<RepoPath>& paths) {
  return options_.dry_run ? std::vector<bool>(paths.size(), true) : backend_.remove_all(paths);
}

/// Heads and marks that have waited long enough, and directories that are empty by now; a young one
/// that never held anything may be another run's.
void Collection::delete_remains() {
  for (bool marks : {true, false}) {  // a mark without its head would look like work left undone
    std::vector<RepoPath> paths;
    for (const TrashedRemains& remains : plan_.trash.remains())
      if (revision_of_trashed_mark(remains.name).has_value() == marks && can_go(remains))
        paths.push_back(plan_.trash.path(remains));
    backend_.remove_all(paths);
  }
  for (const TrashRun& run : plan_.trash.runs())
    if (run.is_used || ages_.run_is_due(run.changed))
      backend_.remove_directory(trash_run(run.name));
}

/// A mark stays while its revision does: another run has just taken it, and may yet be killed.
bool Collection::can_go(const TrashedRemains& remains) {
  if (!ages_.trash_is_due(plan_.trash.taken_out(remains))) return false;
  std::optional<std::string> marked = revision_of_trashed_mark(remains.name);
  return !marked || !backend_.stat(layout::head(*marked));
}

void Collection::delete_abandoned_uploads() {
  std::vector<ListedFile> files;
  list_if_there(backend_, layout::kTemporaries,
                [&files](const ListedFile& file) { files.push_back(file); });
  std::erase_if(files, [this](const ListedFile& file) {
    bool is_published = file.stat.links > 1;  // under its second name
    bool is_abandoned = is_published || ages_.upload_is_due(file.stat.mtime);
    return file.stat.type != FileType::file || !is_abandoned;
  });
  std::vector<RepoPath> paths;
  for (const ListedFile& file : files) paths.push_back(layout::kTemporaries + "/" + file.name);
  const std::vector<bool> is_removed = remove(paths);
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!is_removed[i]) continue;
    ++report_.temporaries;
    report_.temporary_bytes += files[i].stat.size;
  }
}

void Collection::finish() {
  plan_.seen.set_present(without(plan_.revisions, report_.expired));
  with_reserve(backend_, [this] { plan_.seen.write(backend_); });
  backend_.barrier({});
  find_or_open_gate(backend_);  // not every writer may open one
  restore_reserve();
}

void Collection::restore_reserve() {
  if (backend_.stat(layout::kReserve)) return;
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
