#include "libcore/engine/restore.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>

#include "libcore/base/pipeline.h"
#include "libcore/base/queue.h"
#include "libcore/base/text.h"
#include "libcore/engine/nested.h"
#include "libcore/engine/restore_deletion.h"
#include "libcore/engine/restore_selection.h"
#include "libcore/engine/target_maker.h"
#include "libcore/engine/target_tree.h"
#include "libcore/store/content_key.h"

namespace reverse {

namespace {

constexpr unsigned kWriters = 2;
constexpr std::size_t kQueuedJobs = 1536;
constexpr std::uint64_t kBytesAhead = 12 << 20;  // fetched before they are asked for
constexpr std::uint64_t kLargestAhead = 1 << 20;
constexpr std::size_t kCopiesKnown = 16384;
constexpr std::uint64_t kCostAhead = 8 << 10;  // of a file besides its bytes

std::string last_component(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string parent_path(const std::string& path) {
  std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

/// Contents that were asked for, the last of them. One thread.
class FirstCopies {
 public:
  /// The copy that `job` is to be made from, or, said in the job, that it makes itself.
  std::shared_ptr<FirstCopy> of(Job& job);

 private:
  std::map<ContentKey, std::shared_ptr<FirstCopy>> copies_;
  std::deque<ContentKey> oldest_first_;
};

std::shared_ptr<FirstCopy> FirstCopies::of(Job& job) {
  const ContentKey key = ContentKey::of(*job.entry.digest, job.entry.check);
  auto [at, is_new] = copies_.try_emplace(key);
  if (!is_new) return at->second;
  at->second = std::make_shared<FirstCopy>(job.display);
  job.is_first_copy = true;
  oldest_first_.push_back(key);
  if (oldest_first_.size() <= kCopiesKnown) return at->second;
  copies_.erase(oldest_first_.front());
  oldest_first_.pop_front();
  return copies_.at(key);
}

/// One restore: a thread that reads the tree and makes directories, and threads that make everything else.
class Restore {
 public:
  Restore(const Repository& repository, const Head& head, const RestoreOptions& options,
          Observer& observer)
      : repository_(repository),
        head_(head),
        options_(options),
        observer_(observer),
        metadata_(options),
        maker_(repository, options, metadata_),
        selection_(head, options),
        jobs_(kQueuedJobs) {}

  RestoreReport run(const std::stop_token& stop);

 private:
  /// A directory that the reading thread is in.
  struct Level {
    std::string path;
    std::shared_ptr<TargetDirectory> directory;  // null in a dry run
    std::string display;
  };
  /// Nested repositories that are to be made again: entries by where they go.
  using Repositories = std::map<std::string, Entry>;
  void plan(const std::stop_token& stop);
  void place(Entry entry, const std::stop_token& stop);
  void fetch_once(Job& job, const std::stop_token& stop);
  void read_ahead(Job& job, const std::stop_token& stop);
  void enter_directory(Entry entry, bool included);
  void leave_directories(const std::string& path);
  void leave(TargetDirectory& directory);
  void restore_repository(const Repositories::value_type& nested, const std::stop_token& stop);
  void join_group(Job& job);
  void work(const std::stop_token& stop);
  void count(const Job& job, const MadeResult& result);
  void report_problem(const std::string& path, const char* stage, const std::string& why);

  const Repository& repository_;
  const Head& head_;
  const RestoreOptions& options_;
  Observer& observer_;
  MetadataWriter metadata_;
  TargetMaker maker_;
  RestoreSelection selection_;
  ByteBudget ahead_{kBytesAhead};
  FirstCopies small_copies_, large_copies_;  // apart, so that many small ones displace no large one
  BoundedQueue<Job> jobs_;
  std::shared_ptr<TargetDirectory> target_;
  std::vector<Level> levels_;
  Repositories repositories_;
  std::unordered_map<std::uint64_t, std::shared_ptr<LinkGroup>> groups_;
  std::mutex mutex_;  // guards report_
  RestoreReport report_;
};

/// Opens the target directory; makes it and its parents where they are missing.
UniqueFd open_target(const std::string& path) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0777) != 0 && errno != EEXIST && errno != EISDIR)
      throw_errno(errno, fmt::format("make directory '{}'", printable(part)));
    if (at == std::string::npos) break;
  }
  return open_file(path, O_RDONLY | O_DIRECTORY);
}

RestoreReport Restore::run(const std::stop_token& outer) {
  std::string display = options_.target == "/" ? "" : options_.target;
  if (!options_.dry_run)
    target_ = std::make_shared<TargetDirectory>(open_target(options_.target), display, metadata_);
  levels_.push_back({parent_path(options_.path), target_, display});
  if (options_.delete_others)
    delete_others(repository_, head_, options_, observer_, report_, outer);
  Pipeline pipeline(outer);
  std::stop_token stop = pipeline.stop_token();
  // A dry run is a listing: one worker keeps it in order.
  unsigned workers = options_.dry_run ? 1 : kWriters;
  for (unsigned i = 0; i < workers; ++i) pipeline.start([&] { work(stop); });
  pipeline.run_here([&] { plan(stop); });
  pipeline.wait();
  for (auto& [id, group] : groups_)
    if (group->directory) leave(*group->directory);
  if (target_) leave(*target_);
  for (const auto& nested : repositories_) restore_repository(nested, outer);
  report_.special_left_out = metadata_.special_left_out();
  report_.owners_left_out = metadata_.owners_left_out();
  return report_;
}

// --- the reading thread

void Restore::plan(const std::stop_token& stop) {
  TreeReader tree = repository_.tree(head_);
  const std::string& path = options_.path;
  if (path.empty())
    tree.expect_whole();
  else
    tree.seek(path);
  std::optional<Entry> entry = tree.next();
  if (!entry || entry->path != path)
    fail(ErrorKind::not_found, "'{}' is not in revision {}", printable(path), head_.revision());
  for (; entry && is_below(entry->path, path); entry = tree.next()) {
    throw_if_stopped(stop);
    place(std::move(*entry), stop);
  }
  while (levels_.size() > 1) {
    if (levels_.back().directory) leave(*levels_.back().directory);
    levels_.pop_back();
  }
  for (const std::string& missing : selection_.missing())
    report_problem(missing, "find", fmt::format("is not in revision {}", head_.revision()));
  jobs_.close();
}

void Restore::place(Entry entry, const std::stop_token& stop) {
  leave_directories(entry.path);
  const Level& above = levels_.back();
  const RestoreSelection::Part part = selection_.part_of(entry);
  if (entry.path.empty() && options_.path.empty()) {  // the root becomes the target itself
    if (target_) target_->set_entry(std::move(entry));
    return;
  }
  if (part == RestoreSelection::Part::none) return;
  bool is_directory = entry.type == FileType::directory || entry.type == FileType::repository;
  if (is_directory)
    return enter_directory(std::move(entry), part == RestoreSelection::Part::whole);
  Job job;
  job.directory = above.directory;
  job.name = last_component(entry.path);
  job.display = above.display + "/" + job.name;
  job.entry = std::move(entry);
  if (job.entry.hardlink) join_group(job);
  if (job.directory) job.directory->enter();
  fetch_once(job, stop);
  jobs_.push(std::move(job), stop);
}

/// From a distant repository each content comes once, as long as it is remembered; here a file of
/// the target is read no faster than one of the repository.
void Restore::fetch_once(Job& job, const std::stop_token& stop) {
  const Entry& entry = job.entry;
  const bool is_read = entry.type == FileType::file && entry.digest && entry.size > 0 &&
                       (!job.group || job.first_of_group);
  if (!is_read || options_.dry_run || repository_.backend().traits().cheap_stat) return;
  FirstCopies& copies = entry.size > kLargestAhead ? large_copies_ : small_copies_;
  job.copy = copies.of(job);
  if (job.is_first_copy) read_ahead(job, stop);
}

/// Many small files come at a time; not those that may be there already.
void Restore::read_ahead(Job& job, const std::stop_token& stop) {
  const Entry& entry = job.entry;
  if (entry.size > kLargestAhead || ::access(job.display.c_str(), F_OK) == 0) return;
  job.ahead = ahead_.draw(kCostAhead + entry.size, stop);
  repository_.expect_object(sums_of(entry));
}

void Restore::enter_directory(Entry entry, bool included) {
  const Level& above = levels_.back();
  std::string name = last_component(entry.path);
  Level level{entry.path, nullptr, above.display + "/" + name};
  if (!entry.error.empty()) report_problem(entry.path, "list", entry.error);
  if (above.directory) {
    bool replace = options_.overwrite == Overwrite::always || options_.overwrite == Overwrite::if_changed;
    level.directory = std::make_shared<TargetDirectory>(above.directory, name, included, replace);
    if (entry.type == FileType::repository && included) repositories_[level.display] = entry;
    level.directory->set_entry(std::move(entry));
  }
  levels_.push_back(std::move(level));
}

void Restore::leave_directories(const std::string& path) {
  while (levels_.size() > 1 && !is_below(path, levels_.back().path)) {
    std::shared_ptr<TargetDirectory> directory = levels_.back().directory;
    levels_.pop_back();
    if (directory) leave(*directory);
  }
}

void Restore::leave(TargetDirectory& directory) {
  std::string errors;
  directory.leave(errors);
  if (!errors.empty()) report_problem(directory.display(), "restore", errors);
}

/// Last of all, when their directories are there; another repository that is there is left as it is.
void Restore::restore_repository(const Repositories::value_type& nested,
                                 const std::stop_token& stop) {
  const auto& [directory, entry] = nested;
  try {
    restore_nested(repository_, head_, entry.repository_id, directory, observer_, stop);
    ++report_.repositories_restored;
  } catch (const Error& error) {
    if (error.retryable()) throw;
    if (error.kind() != ErrorKind::exists)
      return report_problem(entry.path, "restore", error.what());
    ++report_.files_kept;
    observer_.kept(directory);
  }
}

void Restore::join_group(Job& job) {
  auto [at, is_new] = groups_.try_emplace(*job.entry.hardlink);
  if (is_new) {
    at->second = std::make_shared<LinkGroup>(job.directory, job.name, job.entry);
    job.first_of_group = true;
    if (job.directory) job.directory->enter();  // stays open for the links to come; left at the end
  }
  job.group = at->second;
}

// --- the writing threads

void Restore::work(const std::stop_token& stop) {
  while (std::optional<Job> job = jobs_.pop(stop)) {
    MadeResult result = maker_.make(*job, stop);
    count(*job, result);
    if (job->directory) leave(*job->directory);
  }
}

void Restore::count(const Job& job, const MadeResult& result) {
  bool is_file = job.entry.type == FileType::file;
  {
    std::lock_guard lock(mutex_);
    report_.files_restored += is_file && result.made == Made::made;
    report_.others_restored += !is_file && result.made == Made::made;
    report_.files_skipped += result.made == Made::skipped;
    report_.files_kept += result.made == Made::kept;
    report_.damaged += result.made == Made::damaged && job.entry.digest;
    report_.salvaged += result.is_salvaged;
    report_.unreadable += result.made == Made::damaged && !job.entry.digest;
    report_.failed += result.made == Made::failed;
    if (result.made == Made::made) report_.bytes_restored += job.entry.size;
  }
  observer_.progress.files += is_file;
  observer_.progress.bytes += job.entry.size;
  if (result.made == Made::made) observer_.item(ItemAction::created, job.entry.path, job.entry.size);
  if (result.made == Made::kept) observer_.kept(job.display);
  if (result.made == Made::damaged)
    observer_.problem({job.entry.path, job.entry.digest ? "damaged" : "unreadable", result.why});
  if (result.made == Made::failed) observer_.problem({job.entry.path, "restore", result.why});
}

void Restore::report_problem(const std::string& path, const char* stage, const std::string& why) {
  {
    std::lock_guard lock(mutex_);
    ++(std::string_view(stage) == "list" ? report_.unreadable : report_.failed);
  }
  observer_.problem({path, stage, why});
}

}  // namespace

RestoreReport run_restore(const Repository& repository, const Head& head,
                          const RestoreOptions& options, Observer& observer,
                          const std::stop_token& stop) {
  observer.progress.total_files = options.path.empty() ? head.files : 0;
  observer.progress.total_bytes = options.path.empty() ? head.bytes : 0;
  return Restore(repository, head, options, observer).run(stop);
}

}  // namespace reverse
