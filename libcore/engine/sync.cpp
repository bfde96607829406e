#include "libcore/engine/sync.h"

#include <algorithm>
#include <array>
#include <future>
#include <map>
#include <memory>
#include <set>

#include "libcore/backend/recovery.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/engine/repository_writer.h"
#include "libcore/store/marks.h"
#include "libcore/store/seen_heads.h"
#include "libcore/store/tree_listing.h"

namespace reverse {

namespace {

constexpr int kAttempts = 3;  // a gate that gc closes this often running: somebody else's turn

/// "HOST/LABEL/ID8" of a revision's name: what stays the same if it had to take the next second.
std::string set_and_id(const std::string& revision) {
  std::size_t set_end = revision.rfind('/');
  return revision.substr(0, set_end) + revision.substr(revision.rfind('-'));
}

std::string set_of(const std::string& revision) {
  return revision.substr(0, revision.rfind('/'));
}

Timestamp start_of_name(const std::string& revision) {
  std::string_view name = std::string_view(revision).substr(revision.rfind('/') + 1);
  return parse_compact_utc(name.substr(0, name.find('-'))).value_or(Timestamp{});
}

/// The revisions of a repository as a sync meets them.
class Holdings {
 public:
  explicit Holdings(const Repository* repository) : repository_(repository) {
    if (!repository_) return;
    auto seen = std::async(std::launch::async,
                           [repository] { return SeenHeads::read(repository->backend()); });
    for (std::string& revision : repository_->all_revisions())
      by_id_.emplace(set_and_id(revision), std::move(revision));
    seen_ = seen.get();
  }

  /// True if this very revision of `other` is there, be it under a later second.
  bool has(const Repository& other, const std::string& revision) const {
    auto [begin, end] = by_id_.equal_range(set_and_id(revision));
    return std::any_of(begin, end, [&](const auto& found) {
      return found.second == revision ||
             repository_->read_head(found.second).id == other.read_head(revision).id;
    });
  }
  bool has_removed(const std::string& revision) const { return seen_.was_removed(revision); }
  /// Any revision that is there, `hoped` if that is one of them; "" if there is none.
  std::string one(const std::string& hoped) const {
    auto [begin, end] = by_id_.equal_range(hoped.empty() ? hoped : set_and_id(hoped));
    const bool has_hoped =
        std::any_of(begin, end, [&](const auto& found) { return found.second == hoped; });
    if (has_hoped) return hoped;
    return by_id_.empty() ? "" : by_id_.begin()->second;
  }

 private:
  const Repository* repository_;
  std::multimap<std::string, std::string> by_id_;
  SeenHeads seen_;
};

/// What `selection` leaves of the source, by names alone; named revisions whatever else it says.
std::vector<std::string> selected(const Repository& source, const SyncSelection& selection) {
  if (!selection.revisions.empty()) return selection.revisions;
  std::vector<std::string> names = source.all_revisions();
  std::erase_if(names, [&](const std::string& name) {
    return !fits_set(selection.filter, set_of(name)) ||
           (selection.since && start_of_name(name) < *selection.since);
  });
  return names;
}

/// Revisions that are marked in the source and that `selection` leaves out for that. A mark that a
/// server hides would cost a revision too many, nothing else: so nothing is written there to be sure.
std::set<std::string> marked(const Repository& source, const SyncSelection& selection) {
  if (selection.include_forgotten || !selection.revisions.empty()) return {};
  std::set<std::string> revisions;
  for (const Mark& mark : marks_in(list_trees_twice(source.backend(), {layout::kForgotten}, 3)))
    revisions.insert(mark.revision);
  return revisions;
}

/// Leaves of each set the newest `count` that are no checkpoints.
void keep_latest(const Repository& source, std::uint64_t count, const Holdings& holdings,
                 std::vector<std::string>& names) {
  std::map<std::string, std::uint64_t> kept;
  std::vector<std::string> latest;
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    std::uint64_t& of_set = kept[set_of(*name)];
    if (of_set == count) continue;
    if (!holdings.has(source, *name) && source.read_head(*name).outcome == Outcome::checkpoint)
      continue;
    ++of_set;
    latest.push_back(*name);
  }
  names.assign(latest.rbegin(), latest.rend());
}

/// One pass under one token of the target's gate.
class SyncAttempt {
 public:
  /// `report` is added to.
  SyncAttempt(const SyncDeps& deps, const SyncOptions& options, SyncReport& report)
      : deps_(deps), options_(options), report_(report) {}

  /// False: the gate was closed before everything had come through.
  bool run();
  /// Likewise, through a writer that has begun; nullptr in dry runs.
  bool run_through(RepositoryWriter* writer);

 private:
  /// False if the target lacks nothing.
  bool find_work();
  void leave_out_forgotten(const std::set<std::string>& marked);
  bool is_carried() const;
  void leave_out_present();
  std::optional<Head> next_head();
  void copy(Head head);
  void finish_uploads();
  bool may_be_published(const CopiedTree& tree) const;
  bool has_vanished(const Head& head, const CopiedTree& tree) const;
  bool publish(SyncedRevision& revision);
  void count(const SyncedRevision& revision);

  const SyncDeps& deps_;
  const SyncOptions& options_;
  SyncReport& report_;
  std::optional<Holdings> holdings_;  // of the target
  std::vector<std::string> names_;    // of revisions that it lacks, oldest first in each set
  std::size_t next_ = 0;            // of them, to be read
  std::optional<Head> first_;
  RepositoryWriter* writer_ = nullptr;
  std::optional<LargeUploads> uploads_;
  std::unique_ptr<CopyTarget> target_;
  std::unique_ptr<Translations> translations_;
  std::unique_ptr<RevisionCopier> copier_;
  bool gate_closed_ = false;
};

bool SyncAttempt::run() {
  if (options_.dry_run) return run_through(nullptr);
  if (!find_work()) return true;
  RepositoryWriter writer(*deps_.target, *deps_.present);
  const std::optional<PresentSet::Basis> basis = deps_.present->basis();
  writer.begin(holdings_->one(basis ? basis->revision : ""));
  Pipeline pipeline(deps_.stop);
  pipeline.start([&] { writer.commit_loop(pipeline.stop_token()); });
  pipeline.run_here([&] {
    run_through(&writer);
    writer.close();
  });
  pipeline.wait();
  return !gate_closed_;
}

bool SyncAttempt::run_through(RepositoryWriter* writer) {
  if (!first_ && !find_work()) return true;
  writer_ = writer;
  const RepositoryInfo& source = deps_.source.info();
  if (writer_) {
    OpenJournal open;
    if (deps_.open_uploads) open = [&] { return deps_.open_uploads(source.id); };
    uploads_.emplace(*writer_, open, source.id, "", deps_.observer);
    target_ = std::make_unique<WritingTarget>(*writer_, *uploads_, options_.elsewhere,
                                              options_.max_bytes);
  } else {
    target_ = std::make_unique<PlannedTarget>(deps_.target, options_.elsewhere, options_.max_bytes);
  }
  if (deps_.open_translations && deps_.target_digest != source.digest)
    translations_ = deps_.open_translations(source.id);
  copier_ = std::make_unique<RevisionCopier>(
      RevisionCopier::Parts{deps_.source, deps_.target, deps_.target_digest, *target_,
                            deps_.observer.progress, translations_.get()});
  Pipeline pipeline(deps_.stop);
  copier_->start(pipeline);
  pipeline.run_here([&] {
    for (std::optional<Head> head = std::move(first_); head && !gate_closed_; head = next_head())
      copy(std::move(*head));
    copier_->close();
  });
  pipeline.wait();
  if (uploads_) finish_uploads();
  return !gate_closed_;
}

void SyncAttempt::finish_uploads() {
  const LargeUploads::WentOn went_on = uploads_->went_on();
  report_.went_on.files += went_on.files;
  report_.went_on.bytes += went_on.bytes;
  report_.went_on.of_bytes += went_on.of_bytes;
  if (!gate_closed_) uploads_->finish();
}

bool SyncAttempt::find_work() {
  const SyncSelection& selection = options_.selection;
  // Each question that a distant repository must answer is under way before one is waited for.
  auto asked = std::async(std::launch::async, [this] { return Holdings(deps_.target); });
  auto marks = std::async(std::launch::async, [&] { return marked(deps_.source, selection); });
  names_ = selected(deps_.source, selection);
  holdings_ = asked.get();
  leave_out_forgotten(marks.get());
  if (selection.latest) keep_latest(deps_.source, *selection.latest, *holdings_, names_);
  leave_out_present();
  first_ = next_head();
  return first_.has_value();
}

void SyncAttempt::leave_out_forgotten(const std::set<std::string>& marked) {
  if (options_.selection.include_forgotten) return;
  report_.forgotten += std::erase_if(names_, [&](const std::string& name) {
    return marked.contains(name) ||
           (holdings_->has_removed(name) && !holdings_->has(deps_.source, name));
  });
}

/// A disk that is carried may lack what did not fit: its revisions are looked at again until the
/// repository that it is carried to has them.
bool SyncAttempt::is_carried() const {
  return options_.elsewhere && deps_.target && deps_.target->is_partial();
}

void SyncAttempt::leave_out_present() {
  report_.present += std::erase_if(names_, [&](const std::string& name) {
    return (options_.elsewhere && options_.elsewhere->has_revision(name)) ||
           (!is_carried() && holdings_->has(deps_.source, name));
  });
}

/// The next revision that is to be copied, as the source has it.
std::optional<Head> SyncAttempt::next_head() {
  while (next_ < names_.size()) {
    throw_if_stopped(deps_.stop);
    deps_.source.expect_heads(names_, next_);
    const std::string& name = names_[next_++];
    try {
      Head head = deps_.source.read_head(name);
      if (head.outcome == Outcome::checkpoint) continue;
      if (has_any_tag(head, options_.selection.filter.tags)) return head;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::not_found) continue;  // forgotten meanwhile
      if (error.retryable()) throw;
      ++report_.damaged;
      deps_.observer.problem({name, "read", error.what()});
    }
  }
  return std::nullopt;
}

void SyncAttempt::copy(Head head) {
  SyncedRevision revision;
  revision.tree = copier_->copy(head);
  const bool had_all = revision.tree.objects == 0 && !revision.tree.has(Obstacle::Kind::postponed);
  if (is_carried() && had_all && holdings_->has(deps_.source, head.revision())) {
    ++report_.present;
    return;
  }
  revision.has_vanished = has_vanished(head, revision.tree);
  revision.head = std::move(head);
  if (may_be_published(revision.tree) && !publish(revision)) {
    gate_closed_ = true;
    return;
  }
  count(revision);
  deps_.tell(revision);
}

/// A partial copy may lack what is sent another time, or what another trip has brought.
bool SyncAttempt::may_be_published(const CopiedTree& tree) const {
  if (tree.is_whole()) return true;
  if (!deps_.target || !deps_.target->is_partial()) return false;
  return !tree.has(Obstacle::Kind::damaged) && !tree.has(Obstacle::Kind::too_large);
}

bool SyncAttempt::has_vanished(const Head& head, const CopiedTree& tree) const {
  return tree.has(Obstacle::Kind::damaged) &&
         !deps_.source.backend().stat(layout::head(head.revision()));
}

bool SyncAttempt::publish(SyncedRevision& revision) {
  if (!options_.dry_run) {
    revision.head.digest = deps_.target_digest;
    revision.head.tree = revision.tree.root;
    if (writer_->publish(revision.head) == RepositoryWriter::Published::gate_closed) return false;
  }
  revision.is_published = true;
  return true;
}

void SyncAttempt::count(const SyncedRevision& revision) {
  report_.objects += revision.tree.objects;
  report_.bytes += revision.tree.bytes;
  if (revision.is_published) {
    ++report_.copied;
    report_.unfinished += revision.tree.has(Obstacle::Kind::postponed);
  } else if (revision.has_vanished) {
    ++report_.forgotten;
  } else if (revision.tree.has(Obstacle::Kind::damaged)) {
    ++report_.damaged;
  } else {
    ++report_.held_back;
  }
}

}  // namespace

void expect_sync(Backend& source, Backend& target) {
  const std::array<Expected, 4> from{{{layout::kRepositoryFile},
                                      {layout::kFeatures, true},
                                      {layout::kManifests, true},
                                      {layout::kForgotten, true}}};
  source.expect(from);
  const std::array<Expected, 5> to{{{layout::kRepositoryFile},
                                    {RepoPath(), true},
                                    {layout::kFeatures, true},
                                    {layout::kManifests, true},
                                    {SeenHeads::kDirectory, true}}};
  target.expect(to);
}

SyncReport run_sync(const SyncDeps& deps, const SyncOptions& options) {
  SyncReport report;
  auto attempt = [&] {
    // What has come through stays counted; it is there by now.
    const std::uint64_t before = report.copied;
    report = {.copied = before,
              .objects = report.objects,
              .bytes = report.bytes,
              .went_on = report.went_on};
    const bool came_through = SyncAttempt(deps, options, report).run();
    report.present -= before;
    return came_through;
  };
  for (int closed = 0; closed < kAttempts; ++closed)
    if (deps.target ? with_recovery(deps.target->backend(), attempt) : attempt()) return report;
  fail(ErrorKind::busy,
       "the gate of the repository was closed {} times running: gc seems to run without a pause; "
       "try again later",
       kAttempts);
}

bool sync_into(const SyncDeps& deps, const SyncOptions& options, RepositoryWriter* writer,
               SyncReport& report) {
  return SyncAttempt(deps, options, report).run_through(writer);
}

}  // namespace reverse
