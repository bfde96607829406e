#include "libcore/engine/gc_plan.h"

#include <algorithm>
#include <map>

#include "libcore/base/error.h"
#include "libcore/base/random.h"
#include "libcore/base/sorted.h"
#include "libcore/base/stop.h"
#include "libcore/engine/gc_roots.h"
#include "libcore/store/marks.h"
#include "libcore/store/reserve.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr seconds kDefaultTrash = hours(24);
constexpr seconds kDefaultKeepUnreferenced = hours(7 * 24);
constexpr seconds kAbandonedUpload = hours(7 * 24);
constexpr seconds kAbandonedRun = hours(24);
constexpr std::size_t kNamesAhead = 32 << 10;  // of a distant objects/ that are asked for at once

seconds unless_at_once(const GcOptions& options, seconds age) {
  return options.grace.count() == 0 ? seconds(0) : age;
}

/// What a file made now is dated.
Timestamp date_of_new_file(Backend& backend) {
  std::string name = random_hex(16);
  std::unique_ptr<Upload> touched = create_temporary(backend, name, 0400);
  std::optional<FileStat> stat = backend.stat(layout::kTemporaries + "/" + name);
  return stat ? stat->mtime : now();
}

/// The repository's time. A dry run, where nothing can be written, takes this machine's word.
Timestamp repository_time(Backend& backend, bool dry_run) {
  if (!dry_run) return with_reserve(backend, [&] { return date_of_new_file(backend); });
  try {
    return date_of_new_file(backend);
  } catch (const Error& error) {
    if (error.retryable()) throw;
    return now();
  }
}

}  // namespace

GcAges::GcAges(Backend& backend, const GcOptions& options)
    : grace_(options.grace),
      trash_(options.trash.value_or(unless_at_once(options, kDefaultTrash))),
      unreferenced_(
          options.keep_unreferenced.value_or(unless_at_once(options, kDefaultKeepUnreferenced))),
      begun_(repository_time(backend, options.dry_run)) {}

bool GcAges::upload_is_due(Timestamp written) const {
  return is_past(written, kAbandonedUpload);
}

bool GcAges::run_is_due(Timestamp made) const {
  return is_past(made, kAbandonedRun);
}

GcPlan::GcPlan(const Repository& repository, const GcOptions& options, const GcAges& ages,
               GcReport& report, const std::stop_token& stop)
    : live(repository, stop),
      trash(repository),
      repository_(repository),
      options_(options),
      ages_(ages),
      report_(report),
      stop_(stop) {}

void GcPlan::make() {
  expect_listings(repository_.backend(),
                  {SeenHeads::kDirectory, layout::kTrash, layout::kTemporaries, layout::shard(0)});
  RepositoryNames names = list_revisions();
  seen = SeenHeads::read(repository_.backend());
  doubtful = std::move(names.doubtful);
  trash.list();
  find_due_marks(names.marks);
  half_expired = common(revisions, trash.half_expired());
  add_live(united(due_marks, half_expired));
  find_candidates();
  report_.objects += report_.live_objects;
  guard();
}

RepositoryNames GcPlan::list_revisions() {
  RepositoryNames names = list_names(repository_, options_.dry_run);
  is_complete_ = names.is_complete;
  revisions.clear();
  for (const ListedRevision& revision : names.revisions) revisions.push_back(revision.name);
  return names;
}

void GcPlan::find_due_marks(const std::vector<Mark>& listed) {
  std::map<std::string, Timestamp> marks;
  for (const Mark& mark : listed) marks.emplace(mark.revision, mark.made);
  for (const std::string& revision : common(revisions, options_.forget))
    if (marks.emplace(revision, ages_.begun()).second) report_.forgotten.push_back(revision);
  for (const auto& [revision, made] : marks) {
    if (ages_.mark_is_due(made)) {
      due_marks.push_back(revision);
    } else if (holds(revisions, revision)) {
      ++report_.marked;
      Timestamp end = ages_.mark_end(made);
      report_.next_expiry = std::min(report_.next_expiry.value_or(end), end);
    }
  }
}

void GcPlan::add_live(const std::vector<std::string>& but) {
  std::vector<std::string> added = without(without(revisions, live_revisions_), but);
  live.add(read_roots(repository_, added, stop_));
  live_revisions_ = united(live_revisions_, added);
  report_.distinct_pages = live.distinct_pages();
}

/// Has a distant objects/ listed many shards at once, as long as their names stay few: all hold
/// about as many as the first.
void GcPlan::expect_first_shards() {
  if (repository_.backend().traits().cheap_stat) return;
  std::size_t names = 0;
  list_if_there(repository_.backend(), layout::shard(0), [&names](const ListedFile&) { ++names; });
  shards_ahead_ = static_cast<int>(std::clamp<std::size_t>(kNamesAhead / (names + 1), 4, 128));
  expect_shards(0, shards_ahead_);
}

void GcPlan::expect_shards(int begin, int end) {
  std::vector<RepoPath> shards;
  for (int i = begin; i < std::min(end, layout::kShards); ++i) shards.push_back(layout::shard(i));
  expect_listings(repository_.backend(), shards);
}

void GcPlan::find_candidates() {
  expect_first_shards();
  for (int i = 0; i < layout::kShards; ++i) {
    throw_if_stopped(stop_);
    if (shards_ahead_ > 0) expect_shards(i + shards_ahead_ - 1, i + shards_ahead_);
    std::vector<ContentKey> live_here = live.shard(i);
    // Nothing more need be known of what is referred to than its name.
    auto is_unreferenced = [&](std::string_view text) {
      std::optional<ObjectName> name = parse_object_name(text);
      bool is_live = name && is_ours(*name) && refers_to(live_here, *name);
      report_.live_objects += is_live ? 1 : 0;
      return !is_live;
    };
    list_wanted_if_there(repository_.backend(), layout::shard(i), is_unreferenced,
                         [this](const ListedFile& file) { look_at_unreferenced(file); });
  }
}

bool GcPlan::is_ours(const ObjectName& name) const {
  return name.digest.kind() == repository_.info().digest;
}

void GcPlan::look_at_unreferenced(const ListedFile& file) {
  std::optional<ObjectName> name = parse_object_name(file.name);
  if (!name || !is_ours(*name) || file.stat.type != FileType::file) return;
  ++report_.objects;
  if (ages_.object_is_due(file.stat.mtime))
    candidates.add({*name, file.stat.size});
  else
    ++report_.unreferenced_kept;
}

void GcPlan::guard() const {
  std::uint64_t going = report_.objects - report_.live_objects - report_.unreferenced_kept;
  if (going == 0) return;
  if (live.empty() && !is_complete_)
    fail(ErrorKind::corrupt,
         "{} is listed without a revision, and objects are there: the server may hide what is in it. "
         "Run gc on the server",
         repository_.backend().display(layout::kManifests));
  if (options_.allow.count("mass-gc") > 0) return;
  const char* advice = "nothing was changed; if that is right, add --allow mass-gc";
  if (live.empty())
    fail(ErrorKind::refused, "no revision would be left, and all {} objects would go: {}", going,
         advice);
  if (going > report_.objects / 2)
    fail(ErrorKind::refused, "{} of {} objects would go, more than half: {}", going,
         report_.objects, advice);
}

}  // namespace reverse
