#include "libcore/engine/source_scan.h"

#include <fcntl.h>

#include <algorithm>

#include "libcore/base/fd.h"
#include "libcore/base/text.h"
#include "libcore/hash/hasher.h"

namespace reverse {

namespace {

constexpr std::size_t kBatchItems = 64;
constexpr std::size_t kBatchNames = 256;  // where items are stretches of many
constexpr std::uint64_t kBatchBytes = 4 << 20;  // of files to be read
constexpr std::int64_t kRacySeconds = 3;

/// What `row` knows of the content, in a repository's terms; nullopt if that is not enough.
std::optional<Sums> sums_of(const FileRow& row, DigestKind kind) {
  bool is_md5 = kind == DigestKind::md5;
  const std::optional<Digest>& digest = is_md5 ? row.md5 : row.sha256;
  if (!digest || (is_md5 && !row.check)) return std::nullopt;
  return Sums{*digest, is_md5 ? row.check : std::nullopt, row.size};
}

FileRow row_of(const FileStatus& status, std::string path) {
  FileRow row;
  row.path = std::move(path);
  row.device = status.device;
  row.inode = status.inode;
  row.size = status.size;
  row.mtime = status.mtime;
  row.ctime = status.ctime;
  row.btime = status.btime;
  return row;
}

Entry entry_of(const SourceEntry& source, std::string owner) {
  const FileStatus& status = source.status;
  Entry entry;
  entry.type = status.type;
  entry.path = source.path;
  entry.mode = status.mode;
  entry.uid = status.uid;
  entry.gid = status.gid;
  entry.owner = std::move(owner);
  entry.mtime = status.mtime;
  if (status.type == FileType::file) entry.size = status.size;
  entry.sparse = status.sparse();
  entry.device_major = status.device_major;
  entry.device_minor = status.device_minor;
  entry.target = source.target;
  return entry;
}

}  // namespace

SourceScan::SourceScan(const BackupDeps& deps, const BackupOptions& options, HasContent has)
    : deps_(deps),
      options_(options),
      has_(std::move(has)),
      filter_(options.source),
      root_(open_file(options.read_from, O_RDONLY | O_DIRECTORY)),
      file_system_(file_system_of(root_.get())),
      device_(file_status(root_.get(), "", options.read_from).device),
      racy_since_(plus_seconds(now(), -kRacySeconds)),
      batch_(std::make_shared<Batch>()) {
  for (const std::string& pattern : options.patterns) filter_.add(pattern);
  if (!file_system_.stable_identity)
    deps_.observer.warning(fmt::format(
        "'{}' lies on {}, where inodes and change times mean little: files are compared by size and "
        "modification time only",
        printable(options_.read_from), file_system_.type));
}

bool SourceScan::can_match_pages() const {
  return file_system_.stable_identity && !options_.dry_run && !options_.reread && !options_.ignore_ctime &&
         !options_.ignore_inode && !options_.walk.only;
}

void SourceScan::run(Emit emit, bool use_pages, const std::stop_token& stop) {
  emit_ = std::move(emit);
  deps_.catalog.forget_gone();  // of a pass that was refused or turned back
  catalog_empty_ = deps_.catalog.empty();
  rows_.emplace(deps_.catalog, options_.source, !options_.walk.only);

  WalkOptions walk_options = options_.walk;
  walk_options.is_repository = [this](const SourceEntry& entry, int fd) {
    return is_repository(entry, fd);
  };
  if (use_pages && can_match_pages()) {
    const bool reads_pages = deps_.repository.backend().traits().cheap_stat;
    PageMatch match(*this, deps_.present, options_.source, owners_, reads_pages);
    walk(options_.read_from, walk_options, filter_, match, stop);
    match.finish();
  } else {
    walk(options_.read_from, walk_options, filter_, *this, stop);
  }

  rows_->finish();
  emit_batch();
  for (const std::string& pattern : filter_.unmatched())
    deps_.observer.warning(fmt::format("the pattern '{}' matched nothing", printable(pattern)));
}

// --- deciding

bool SourceScan::stable_identity(const SourceEntry& entry) {
  if (entry.status.device == device_ || !entry.directory) return file_system_.stable_identity;
  auto [at, is_new] = stable_by_device_.try_emplace(entry.status.device);
  if (is_new) at->second = file_system_of(entry.directory->fd.get()).stable_identity;
  return at->second;
}

bool SourceScan::same_file(const FileRow& row, const FileStatus& status, bool stable) const {
  return row.size == status.size && row.mtime == status.mtime &&
         (!stable || options_.ignore_ctime || row.ctime == status.ctime) &&
         (!stable || options_.ignore_inode || row.inode == status.inode);
}

std::optional<FileRow> SourceScan::moved_from(const FileStatus& status) {
  if (catalog_empty_ || options_.ignore_inode) return std::nullopt;
  std::optional<FileRow> row = deps_.catalog.find_by_inode(status.device, status.inode);
  if (!row || row->size != status.size || row->mtime != status.mtime) return std::nullopt;
  // Moved along with its directory the file keeps its ctime. Renamed by itself it does not; then the birth time
  // tells it from another file that was given the inode of a deleted one.
  bool is_same = row->ctime == status.ctime || (row->btime && row->btime == status.btime);
  return is_same ? row : std::nullopt;
}

/// The row of the directory where it was, if it had another name. `row`: of this name, if there is one.
std::optional<FileRow> SourceScan::directory_moved_from(const Item& item, const FileRow* row) {
  const FileStatus& status = item.source.status;
  const bool is_here = row != nullptr && row->inode == status.inode;
  if (is_here || catalog_empty_ || options_.ignore_inode || !item.stable_identity) return std::nullopt;
  return rows_->follow(item.source.path, row_of(status, ""),
                       [&](const std::string& path) { return is_there(path, status); });
}

/// Whether `path`, below the recorded source, leads to this inode.
bool SourceScan::is_there(const std::string& path, const FileStatus& status) const {
  const std::string name = path.substr(options_.source == "/" ? 1 : options_.source.size() + 1);
  try {
    const FileStatus found = file_status(root_.get(), name, path);
    return found.device == status.device && found.inode == status.inode;
  } catch (const Error& error) {
    return error.kind() != ErrorKind::not_found;
  }
}

void SourceScan::decide_file(Item& item, const FileRow* row) {
  const FileStatus& status = item.source.status;
  bool stable = item.stable_identity;
  std::optional<FileRow> known;
  // In a directory that moved a file is the one that it was, or new.
  const bool moves_along = rows_->is_moved() && row != nullptr && same_file(*row, status, stable);
  if (rows_->is_moved() && !moves_along) row = nullptr;
  item.action = row != nullptr ? ItemAction::modified : ItemAction::created;
  if (row != nullptr && is_racy(*row)) {
    item.expected = sums_of(*row, deps_.repository.info().digest);
  } else if (row != nullptr && same_file(*row, status, stable)) {
    known = *row;
    item.action = moves_along ? ItemAction::moved : ItemAction::unchanged;
  } else if (row == nullptr && stable && (known = moved_from(status))) {
    item.action = ItemAction::moved;
  }
  if (status.links > 1 && join_hard_links(item)) return;

  if (known && !options_.reread && take_known_sums(item, *known)) {
    if (item.action == ItemAction::moved && !moves_along) item.row = moved_row(*known, item);
    // Where it had none, and no change since then could go unseen, it has none.
    const bool is_told = stable && !options_.ignore_ctime && known->ctime == status.ctime;
    if (known->has_xattrs || !is_told) read_item_xattrs(item);
  } else {
    item.to_read = true;
    if (!options_.dry_run) item.content = std::make_shared<Content>();
    item.row = row_of(status, rows_->absolute(item.source.path));
    if (known) item.row->md5 = known->md5, item.row->sha256 = known->sha256, item.row->check = known->check;
  }
  if (status.links > 1) open_hard_links(item);
}

FileRow SourceScan::moved_row(const FileRow& known, const Item& item) const {
  FileRow row = row_of(item.source.status, rows_->absolute(item.source.path));
  row.md5 = known.md5;
  row.sha256 = known.sha256;
  row.check = known.check;
  row.has_xattrs = known.has_xattrs;
  return row;
}

bool SourceScan::take_known_sums(Item& item, const FileRow& row) {
  std::optional<Sums> sums = sums_of(row, deps_.repository.info().digest);
  if (!sums || !has_(*sums)) return false;
  item.entry.digest = sums->digest;
  item.entry.check = sums->check;
  return true;
}

bool SourceScan::join_hard_links(Item& item) {
  auto at = links_.find({item.source.status.device, item.source.status.inode});
  if (at == links_.end()) return false;
  LinkGroup& group = at->second;
  item.entry.hardlink = group.id;
  item.content = group.content;
  if (!group.content) {
    item.entry.digest = group.first.digest;
    item.entry.check = group.first.check;
    item.entry.xattrs = group.first.xattrs;
  }
  if (item.action != ItemAction::unchanged) {
    item.row = group.row;
    item.row->path = rows_->absolute(item.source.path);
  }
  if (--group.links_left == 0) links_.erase(at);
  return true;
}

void SourceScan::open_hard_links(Item& item) {
  LinkGroup group;
  group.id = xxh3_64(item.source.path, 0);
  group.links_left = item.source.status.links - 1;
  group.content = item.content;
  group.row = row_of(item.source.status, "");
  DigestKind kind = deps_.repository.info().digest;
  (kind == DigestKind::md5 ? group.row.md5 : group.row.sha256) = item.entry.digest;
  group.row.check = item.entry.check;
  group.row.has_xattrs = !item.entry.xattrs.empty();
  group.first = item.entry;
  item.entry.hardlink = group.id;
  links_.emplace(std::pair(item.source.status.device, item.source.status.inode), std::move(group));
}

void SourceScan::decide_directory(Item& item, const FileRow* row) {
  const FileStatus& status = item.source.status;
  const bool is_told = row != nullptr && row->mtime == status.mtime && row->ctime == status.ctime;
  moved_from_ = directory_moved_from(item, row);
  if (row == nullptr || moved_from_ || rows_->is_moved()) {
    item.action = ItemAction::created;
  } else {
    item.action = is_told ? ItemAction::unchanged : ItemAction::modified;
  }
  if (is_told && !moved_from_) return;
  item.row = row_of(status, rows_->absolute(item.source.path));
  if (moved_from_) item.row->number = moved_from_->number;
}

void SourceScan::read_item_xattrs(Item& item) {
  if (options_.dry_run) return;
  try {
    const SourceEntry& source = item.source;
    item.entry.xattrs = read_xattrs(source.directory->fd.get(), source.name(), source.path);
  } catch (const Error& error) {
    item.problem_stage = "xattrs";
    item.problem = error.what();
  }
}

bool SourceScan::is_repository(const SourceEntry& entry, int directory_fd) {
  std::string id;
  try {
    UniqueFd fd(::openat(directory_fd, "repository.yaml", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd) return false;
    char buffer[65536];
    std::size_t size = read_full(fd.get(), buffer, sizeof buffer, entry.path);
    id = parse_repository_info({buffer, size}, entry.path).id;
  } catch (const Error&) {
    return false;  // some other file of that name: a directory like any other
  }
  bool is_target = id == deps_.repository.info().id;
  if (options_.repositories == NestedRepositories::list && !is_target) return false;
  repositories_.push_back({id, entry.path, 0, 0});
  if (!is_target && options_.repositories == NestedRepositories::skip)
    deps_.observer.warning(fmt::format("'{}' is a repository: named only, its content is not backed up",
                                       printable(rows_->absolute(entry.path))));
  return true;
}

// --- the walk's side of the merge

void SourceScan::entry(SourceEntry source, const std::optional<std::string>& list_error) {
  moved_from_.reset();
  Item item;
  item.entry = entry_of(source, owners_.owner(source.status.uid, source.status.gid));
  item.source = std::move(source);
  item.stable_identity = stable_identity(item.source);
  const FileRow* row = rows_->at(item.source.path);
  FileType type = item.source.status.type;
  bool is_file = type == FileType::file;
  bool has_row = is_file || type == FileType::directory;
  if (row != nullptr && !has_row) rows_->gone(*row);
  // Another type of file has taken the name: where that has a row too, it will replace this one.
  if (!has_row || (row != nullptr && is_file == is_directory_row(*row))) row = nullptr;
  if (is_file) {
    decide_file(item, row);
  } else {
    if (type == FileType::directory) decide_directory(item, row);
    if (type == FileType::repository) item.entry.repository_id = repositories_.back().id;
    bool is_linked = type != FileType::directory && type != FileType::repository && item.source.status.links > 1;
    if (!is_linked || !join_hard_links(item)) read_item_xattrs(item);
    if (is_linked && !item.entry.hardlink) open_hard_links(item);
  }
  if (list_error) {
    item.entry.error = *list_error;
    item.problem_stage = "list";
    item.problem = *list_error;
    rows_->keep_below(item.source.path);
  }
  add(std::move(item));
}

void SourceScan::skipped(const std::string& path, SkipReason reason, const std::string& detail) {
  rows_->keep_below(path);
  left_out(path, reason, detail);
}

void SourceScan::left_out(const std::string& path, SkipReason reason, const std::string& detail) {
  deps_.observer.item(ItemAction::excluded, path, 0);
  MountKind kind = reason == SkipReason::mount ? mount_kind_of_type(detail) : MountKind::disk;
  if (kind == MountKind::network || kind == MountKind::fuse)
    deps_.observer.warning(fmt::format(
        "'{}' is a {} file system and was left out: exclude it, or back it up with --cross",
        printable(rows_->absolute(path)), detail));
}

void SourceScan::failed(const std::string& path, bool vanished, const std::string& error) {
  rows_->keep_below(path);
  Item item;
  item.source.path = path;
  item.problem_stage = vanished ? "vanished" : "stat";
  item.problem = error;
  item.dropped = true;
  add(std::move(item));
}

/// Not where it takes a question over a network to read a page.
std::optional<std::string> SourceScan::moved_from() const {
  if (!moved_from_ || !deps_.repository.backend().traits().cheap_stat) return std::nullopt;
  if (!rows_->is_inside(*moved_from_)) return std::nullopt;
  return std::string(rows_->relative(*moved_from_));
}

/// The rows of these names are as they should be: nothing below them has changed.
void SourceScan::unchanged(std::shared_ptr<KnownStretch> stretch) {
  const auto is_file = [](const SourceEntry& entry) { return entry.status.type == FileType::file; };
  const auto files_moved = stretch->move ? std::ranges::count_if(stretch->entries, is_file) : 0;
  rows_->known(stretch->entries.front().path, stretch->entries.back().path, stretch->follows,
               static_cast<std::uint64_t>(files_moved));
  batch_names_ += stretch->entries.size();
  Item item;
  item.stretch = std::move(stretch);
  add(std::move(item));
}

// --- batches

void SourceScan::add(Item item) {
  if (item.to_read) {
    batch_bytes_ += item.source.status.size;
  } else {
    item.source.directory.reset();  // nobody will open it: let the walk close it
  }
  batch_->items.push_back(std::move(item));
  if (++batch_names_ >= kBatchNames || batch_->items.size() >= kBatchItems || batch_bytes_ >= kBatchBytes) emit_batch();
}

void SourceScan::emit_batch() {
  if (batch_->items.empty()) return;
  emit_(std::exchange(batch_, std::make_shared<Batch>()));
  batch_bytes_ = 0;
  batch_names_ = 0;
}

}  // namespace reverse
