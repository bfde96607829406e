#include "libcore/engine/backup.h"

#include <unistd.h>

#include <utility>

#include "libcore/backend/recovery.h"
#include "libcore/base/pipeline.h"
#include "libcore/base/random.h"
#include "libcore/base/text.h"
#include "libcore/engine/assembler.h"
#include "libcore/engine/catalog_stage.h"
#include "libcore/engine/machine.h"
#include "libcore/engine/nested.h"
#include "libcore/engine/read_stage.h"
#include "libcore/engine/repository_writer.h"
#include "libcore/engine/revisions.h"
#include "libcore/engine/source_scan.h"
#include "libcore/hash/hasher.h"

namespace reverse {

namespace {

constexpr std::size_t kWindowBatches = 64;  // between the walk and the assembler
constexpr unsigned kReaders = 2;
constexpr unsigned kLargeTogether = 8;  // large files that a reader hashes side by side
constexpr std::int64_t kClockSlack = 60;  // seconds; a last revision further ahead is a clock gone wrong
constexpr int kAttempts = 3;  // a gate that gc closes this often running: somebody else's turn

bool allowed(const BackupOptions& options, const char* guard) {
  return options.allow.count(guard) > 0;
}

/// What attempts leave to those after them, besides what catalog and present set have learnt.
struct Earlier {
  std::uint64_t new_objects = 0, new_bytes = 0;
  bool was_streamed = false;        // a stream cannot be read again
  std::shared_ptr<Content> stream;  // once it was read whole
  bool lost_page = false;  // one that the present set knows could not be read: none of them is relied on
};

/// Side by side only where hashing is what takes the time: uploads to distant repositories wait for the network,
/// and SHA-256 hashes one after the other.
unsigned large_together(const Repository& repository) {
  bool is_near = repository.backend().traits().cheap_stat;
  return is_near && repository.info().digest == DigestKind::md5 ? kLargeTogether : 1;
}

/// One pass over the source, under one token of the gate.
class Attempt {
 public:
  Attempt(const BackupDeps& deps, const BackupOptions& options, Earlier& earlier)
      : deps_(deps),
        options_(options),
        earlier_(earlier),
        writer_(deps.repository, deps.present),
        uploads_(writer_, deps.open_uploads, options.host + "/" + options.label, options.source, deps.observer),
        reading_(writer_, uploads_, deps.repository.info().digest, deps.observer.progress, kReaders,
                 large_together(deps.repository)),
        learning_(deps.catalog, deps.observer),
        window_(kWindowBatches) {
    deps.observer.progress.files = 0;
    deps.observer.progress.bytes = 0;
  }
  ~Attempt() {
    earlier_.new_objects += writer_.new_objects();
    earlier_.new_bytes += writer_.new_bytes();
  }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  /// nullopt: the gate was closed before the head came through.
  std::optional<BackupReport> run();

 private:
  void begin_head();
  Timestamp start_after(const std::optional<Head>& last) const;
  void guard_set(const std::optional<Head>& last) const;
  void begin_scan();
  void begin_writing();
  void guard_file_system() const;
  void guard_entries() const;
  void emit(std::shared_ptr<Batch> batch, const std::stop_token& stop);
  void scan_source(const std::stop_token& stop);
  std::shared_ptr<Content> stream_content(const std::stop_token& stop);
  void read_stream(const std::stop_token& stop);
  GrowingTree::Pages pages();
  void assemble(const std::stop_token& stop);
  void checkpoint(const Assembler& assembler);
  bool merge_nested(Assembler& assembler);
  bool merge(NestedRepository& nested, Assembler& assembler);
  bool publish(Assembler& assembler);
  bool has_planned(const Sums& sums);
  void count_new(Head& head) const;
  void finish_catalog();

  const BackupDeps& deps_;
  const BackupOptions& options_;
  Earlier& earlier_;
  RepositoryWriter writer_;
  LargeUploads uploads_;
  ReadStage reading_;
  CatalogStage learning_;
  BoundedQueue<std::shared_ptr<Batch>> window_;
  std::unique_ptr<SourceScan> scan_;
  std::optional<Head> newest_;  // of the set, complete ones first
  std::string seen_;            // its last revision, whatever the outcome
  AskedHead asked_;
  BackupReport report_;
  bool gate_closed_ = false;
};

std::optional<BackupReport> Attempt::run() {
  begin_head();
  if (!options_.stream) begin_scan();
  if (!options_.dry_run) begin_writing();
  Pipeline pipeline(deps_.stop);
  std::stop_token stop = pipeline.stop_token();
  pipeline.start([&] { options_.stream ? read_stream(stop) : scan_source(stop); });
  for (unsigned i = 0; i < kReaders; ++i) pipeline.start([&] { reading_.work(stop); });
  pipeline.start([&] { writer_.commit_loop(stop); });
  pipeline.start([&] { learning_.run(stop); });
  pipeline.run_here([&] { assemble(stop); });
  try {
    pipeline.wait();
  } catch (const Cancelled&) {
    learning_.drain();
    if (!report_.published) throw;  // else the stop came too late: there is a revision to tell of
  } catch (...) {
    learning_.drain();
    throw;
  }
  if (gate_closed_) {
    learning_.drain();
    return std::nullopt;
  }
  finish_catalog();
  report_.went_on = uploads_.went_on();
  return std::move(report_);
}

// --- the head

void Attempt::begin_head() {
  Head& head = report_.head;
  if (deps_.asked_head) asked_ = std::exchange(*deps_.asked_head, {});
  head.id = random_uuid();
  head.repository = deps_.repository.info().id;
  head.host = options_.host;
  head.label = options_.label;
  head.machine = machine_id();
  head.source = options_.source;
  head.timezone = local_zone_name();
  head.tool = options_.tool;
  head.digest = deps_.repository.info().digest;
  head.tags = options_.tags;
  std::optional<Head> last;
  if (!asked_.is_first) last = last_head(deps_.repository, head.set());
  head.started = to_rfc3339_local(options_.time ? *options_.time : start_after(last));
  guard_set(last);
  newest_ = last;
  if (last && last->outcome != Outcome::complete) newest_ = newest_head(deps_.repository, head.set());
  if (last) head.previous = last->id;
  if (last) seen_ = last->revision();
  if (newest_) {
    deps_.observer.progress.total_files = newest_->files;
    deps_.observer.progress.total_bytes = newest_->bytes;
  }
}

/// Now; or, where the set's last revision bears this second already, the next: names tell which one is newer.
Timestamp Attempt::start_after(const std::optional<Head>& last) const {
  Timestamp start = now();
  std::optional<Timestamp> before = last ? parse_rfc3339(last->started) : std::nullopt;
  bool ties = before && before->seconds >= start.seconds && before->seconds < start.seconds + kClockSlack;
  return ties ? plus_seconds(*before, 1) : start;
}

/// Where the catalog knows nothing and the set has a revision, most of what will be read is stored.
void Attempt::begin_writing() {
  writer_.begin(seen_, std::move(asked_));
  bool is_catalog_cold = !options_.stream && !deps_.catalog.source(options_.source, report_.head.set());
  if (!is_catalog_cold || !newest_) return;
  writer_.learn(*newest_, deps_.stop);
  reading_.expect_stored();
}

// --- guards

void Attempt::guard_set(const std::optional<Head>& last) const {
  if (!last || options_.set_named || allowed(options_, "set")) return;
  const Head& head = report_.head;
  bool same_machine = last->machine == head.machine || last->machine.empty() || head.machine.empty();
  if (same_machine && last->source == head.source) return;
  fail(ErrorKind::refused,
       "the set '{}' belongs to '{}' of {}: name another one with --label or --host, or add --allow set",
       printable(head.set()), printable(last->source),
       same_machine ? "this machine" : "another machine");
}

void Attempt::guard_file_system() const {
  std::optional<SourceRow> before = deps_.catalog.source(options_.source, report_.head.set());
  if (!before || allowed(options_, "empty")) return;
  // Device numbers change between boots, so that alone says nothing; a lost mount mostly shows in the type.
  if (before->device == scan_->device() || before->file_system == scan_->file_system().type) return;
  fail(ErrorKind::refused,
       "'{}' lies on {} now and lay on {} last time: is a disk not mounted? If it is right, add --allow empty",
       printable(options_.source), scan_->file_system().type, before->file_system);
}

void Attempt::guard_entries() const {
  if (options_.stream) return;
  std::uint64_t entries = report_.head.entries;
  if (entries <= 1 && !allowed(options_, "empty"))
    fail(ErrorKind::refused,
         "'{}' is empty: is a disk not mounted? If it is right, add --allow empty",
         printable(options_.source));
  if (newest_ && newest_->outcome == Outcome::complete && entries < newest_->entries / 2 &&
      !allowed(options_, "shrink"))
    fail(ErrorKind::refused,
         "'{}' has {} entries and had {} in {}: if that is right, add --allow shrink",
         printable(options_.source), entries, newest_->entries, newest_->revision());
}

// --- the stages

void Attempt::emit(std::shared_ptr<Batch> batch, const std::stop_token& stop) {
  if (!options_.dry_run) reading_.submit(batch, stop);
  window_.push(std::move(batch), stop);
}

void Attempt::begin_scan() {
  auto has = [this](const Sums& sums) {
    return options_.dry_run ? has_planned(sums) : writer_.has(sums);
  };
  scan_ = std::make_unique<SourceScan>(deps_, options_, has);
  guard_file_system();
}

/// What a dry run can tell without taking part in the protocol.
bool Attempt::has_planned(const Sums& sums) {
  auto stat = deps_.repository.backend().stat(object_path({sums.digest, {}}));
  return stat && stat->size == sums.size;
}

void Attempt::scan_source(const std::stop_token& stop) {
  scan_->run([&](std::shared_ptr<Batch> batch) { emit(std::move(batch), stop); }, !earlier_.lost_page, stop);
  reading_.close();
  window_.close();
}

/// The stream's content; where an earlier attempt has read it, that, if it could be stored.
std::shared_ptr<Content> Attempt::stream_content(const std::stop_token& stop) {
  if (std::exchange(earlier_.was_streamed, true)) {
    if (earlier_.stream && writer_.has(earlier_.stream->sums)) return earlier_.stream;
    fail(ErrorKind::busy, "the repository lost what was read of '{}', which cannot be read twice",
         printable(options_.stream->name));
  }
  auto content = std::make_shared<Content>();
  if (options_.dry_run) return content;
  reading_.read_stream(*options_.stream->content, *content, stop);
  earlier_.stream = content;
  return content;
}

/// A stream is a tree of two entries: a directory, and the file in it.
void Attempt::read_stream(const std::stop_token& stop) {
  Timestamp time = options_.time.value_or(now());
  Item root;
  root.entry.type = FileType::directory;
  root.entry.mode = 0755;
  root.entry.uid = ::getuid();
  root.entry.gid = ::getgid();
  root.entry.owner = OwnerNames().owner(root.entry.uid, root.entry.gid);
  root.entry.mtime = time;
  Item file = root;
  file.entry.type = FileType::file;
  file.entry.mode = 0644;
  file.entry.path = options_.stream->name;
  file.action = ItemAction::created;
  file.to_read = true;
  file.content = stream_content(stop);
  FileStatus& status = file.content->status;
  status.mode = file.entry.mode;
  status.uid = file.entry.uid;
  status.gid = file.entry.gid;
  status.mtime = time;
  status.blocks = ~std::uint64_t{0} / 512;  // not sparse
  auto batch = std::make_shared<Batch>();
  batch->items.push_back(std::move(root));
  batch->items.push_back(std::move(file));
  window_.push(std::move(batch), stop);
  reading_.close();
  window_.close();
}

GrowingTree::Pages Attempt::pages() {
  GrowingTree::Pages pages;
  if (options_.dry_run) return pages;
  pages.store = [this](const PageRef& ref, const std::string& text) { writer_.put(ref.sums(), text); };
  pages.fetch = [this, fetch = deps_.repository.page_fetcher()](const PageRef& ref) {
    earlier_.lost_page = true;  // until it is there
    std::string text = fetch(ref);
    earlier_.lost_page = false;
    return text;
  };
  if (scan_ && scan_->can_match_pages())
    pages.learn = [this](const KnownPage& page) { deps_.present.add_page(options_.source, page); };
  return pages;
}

void Attempt::assemble(const std::stop_token& stop) {
  Assembler assembler(report_.head.digest, !newest_.has_value(), deps_.observer, report_, pages(),
                      [&](FileRow row) { learning_.put(std::move(row), stop); });
  auto last_checkpoint = std::chrono::steady_clock::now();
  while (auto batch = window_.pop(stop)) {
    reading_.await(**batch, stop);
    for (Item& item : (*batch)->items)
      assembler.take(item, scan_ ? scan_->racy_since() : Timestamp{});
    bool due = options_.checkpoint.count() > 0 &&
               std::chrono::steady_clock::now() - last_checkpoint >= options_.checkpoint;
    if (due && !options_.dry_run && !assembler.empty() && writer_.new_objects() > 0) {
      checkpoint(assembler);
      last_checkpoint = std::chrono::steady_clock::now();
    }
  }
  guard_entries();
  if (scan_ && newest_) report_.files_gone = scan_->files_gone();
  if (scan_) report_.head.repositories = scan_->repositories();
  gate_closed_ = !merge_nested(assembler);
  report_.published = !gate_closed_ && !options_.dry_run && publish(assembler);
  learning_.close();
  writer_.close();
}

void Attempt::checkpoint(const Assembler& assembler) {
  Head head = report_.head;
  head.id = random_uuid();
  head.outcome = Outcome::checkpoint;
  head.finished = to_rfc3339_local(now());
  // Named by the time it was made, so that a later one of the same run is newer.
  head.started = options_.time ? head.started : head.finished;
  head.tree = assembler.tree_so_far();
  writer_.flush();
  count_new(head);
  // A gate closed meanwhile shows again when the revision itself is published; nothing is lost by going on.
  if (writer_.publish(head) == RepositoryWriter::Published::yes) report_.head.previous = head.id;
}

// --- nested repositories

/// Copies the revisions of repositories that were met, before the head that names those is
/// published. False: the gate was closed.
bool Attempt::merge_nested(Assembler& assembler) {
  if (options_.repositories != NestedRepositories::merge) return true;
  for (NestedRepository& nested : report_.head.repositories)
    if (nested.id != deps_.repository.info().id && !merge(nested, assembler)) return false;
  return true;
}

bool Attempt::merge(NestedRepository& nested, Assembler& assembler) {
  const std::string directory = options_.read_from + "/" + nested.path;
  std::optional<LocalRepository> source;
  SyncOptions all;
  all.dry_run = options_.dry_run;
  try {
    source = LocalRepository::open(directory);
    all.selection.revisions = source->repository.all_revisions();
  } catch (const Error& error) {
    assembler.note_problem(nested.path, "repository", error.what(), true);
    return true;
  }
  nested.heads = all.selection.revisions.size();
  if (nested.heads == 0) return true;
  const SyncDeps deps{source->repository, &deps_.repository,   deps_.repository.info().digest,
                      nullptr,            deps_.observer,      deps_.stop,
                      [&](const SyncedRevision& revision) {
                        if (revision.is_published || revision.has_vanished) return;
                        assembler.note_problem(nested.path, "repository",
                                               revision.head.revision() + " is damaged", true);
                      },
                      deps_.open_translations, deps_.open_copies};
  SyncReport report;
  const bool came_through = sync_into(deps, all, options_.dry_run ? nullptr : &writer_, report);
  nested.added = report.copied;
  report_.nested_revisions += report.copied;
  return came_through;
}

bool Attempt::publish(Assembler& assembler) {
  Head& head = report_.head;
  head.tree = assembler.finish_tree();
  bool is_same = newest_ && newest_->tree == head.tree && newest_->outcome == head.outcome;
  if (options_.skip_if_unchanged && is_same) return false;
  writer_.flush_for(head);
  head.finished = to_rfc3339_local(now());
  count_new(head);
  report_.data_added = head.new_bytes;
  gate_closed_ = writer_.publish(head) == RepositoryWriter::Published::gate_closed;
  return !gate_closed_;
}

void Attempt::count_new(Head& head) const {
  head.new_objects = earlier_.new_objects + writer_.new_objects();
  head.new_bytes = earlier_.new_bytes + writer_.new_bytes();
}

void Attempt::finish_catalog() {
  if (options_.dry_run || !scan_) return;
  uploads_.finish();
  learning_.finish({options_.source, report_.head.set(), scan_->device(),
                    scan_->file_system().type, report_.head.entries});
}

}  // namespace

BackupReport run_backup(const BackupDeps& deps, const BackupOptions& options) {
  Earlier earlier;
  for (int closed = 0; closed < kAttempts; ++closed) {
    const bool had_lost_page = earlier.lost_page;
    try {
      // What was committed is found again; the rest is read again from its source.
      std::optional<BackupReport> report =
          with_recovery(deps.repository.backend(), [&] { return Attempt(deps, options, earlier).run(); });
      if (report) return std::move(*report);
    } catch (const Error& error) {
      bool is_damage = error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::not_found;
      if (had_lost_page || !earlier.lost_page || !is_damage) throw;
    }
  }
  fail(ErrorKind::busy,
       "the gate of the repository was closed {} times running: gc seems to run without a pause; "
       "try again later",
       kAttempts);
}

}  // namespace reverse
