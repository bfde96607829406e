#include "libcore/engine/assembler.h"

#include <utility>

namespace reverse {

namespace {

constexpr std::size_t kProblemsKept = 100;

/// Whether the file may be changed again without its times showing it (written within the clock's grain of the scan).
bool touched_since(const FileStatus& status, Timestamp racy_since, bool stable_identity) {
  return stable_identity ? status.ctime >= racy_since : status.mtime >= racy_since;
}

/// Notes what was read. A digest of the other kind stays only where nothing shows that the content is another than it was.
void take_sums(FileRow& row, const Sums& sums) {
  std::optional<Digest>& known = sums.digest.kind() == DigestKind::md5 ? row.md5 : row.sha256;
  if (known && *known != sums.digest) {
    row.md5.reset();
    row.sha256.reset();
    row.check.reset();
  }
  known = sums.digest;
  if (sums.check) row.check = sums.check;
}

}  // namespace

Assembler::Assembler(DigestKind digest, bool first_of_set, Observer& observer, BackupReport& report,
                     GrowingTree::Pages pages, Rows rows)
    : first_of_set_(first_of_set),
      observer_(observer),
      report_(report),
      is_dry_(!pages.store),
      rows_(std::move(rows)),
      tree_(digest, std::move(pages)) {}

void Assembler::take(Item& item, Timestamp racy_since) {
  if (item.stretch) return take_stretch(item.stretch);
  const std::uint64_t problems = report_.head.problem_count;
  if (!item.problem.empty()) {
    bool vanished = item.problem_stage == "vanished";
    report_.files_vanished += vanished;
    note_problem(item.source.path, item.problem_stage, item.problem, !vanished);
  }
  if (item.dropped) return;
  if (item.content && !take_content(item)) return;
  if (!entry_fits(item.entry)) {
    item.entry.xattrs.clear();
    bool fits_without = entry_fits(item.entry);
    note_problem(item.entry.path, fits_without ? "xattrs" : "name", "too large to be kept", true);
    if (!fits_without) return;  // a path or target of hundreds of kilobytes
  }
  count(item);
  if (is_dry_) return;
  const FileStatus& status = item.content ? item.content->status : item.source.status;
  bool is_told = report_.head.problem_count == problems && item.entry.error.empty() &&
                 item.stable_identity && is_telling(status, racy_since);
  tree_.add(item.entry, is_told ? &status : nullptr);
  learn(item, racy_since);
}

void Assembler::take_stretch(const std::shared_ptr<const KnownStretch>& stretch) {
  for (const SourceEntry& entry : stretch->entries) {
    const FileStatus& status = entry.status;
    ItemAction action = ItemAction::unchanged;
    if (stretch->move) action = status.type == FileType::file ? ItemAction::moved : ItemAction::created;
    if (first_of_set_) action = ItemAction::created;
    count(action, status.type, entry.path, status.size);
    if (status.type == FileType::file) observer_.progress.bytes += status.size;
  }
  tree_.add(stretch);
}

bool Assembler::take_content(Item& item) {
  const Content& content = *item.content;
  if (content.vanished) {
    ++report_.files_vanished;
    note_problem(item.entry.path, "vanished", content.error, false);
    return false;
  }
  Entry& entry = item.entry;
  if (!content.error.empty()) {
    entry.error = content.error;
    note_problem(entry.path, content.stage, content.error, true);
    return true;
  }
  entry.mode = content.status.mode;
  entry.uid = content.status.uid;
  entry.gid = content.status.gid;
  entry.mtime = content.status.mtime;
  entry.sparse = content.status.sparse();
  entry.size = content.sums.size;
  entry.digest = content.sums.digest;
  entry.check = content.sums.check;
  entry.xattrs = content.xattrs;
  entry.changed = content.changed;
  if (content.changed) {
    ++report_.files_changed_while_read;
    note_problem(entry.path, "changed", "changed while it was read", false);
    observer_.item(ItemAction::changed_while_read, entry.path, entry.size);
  }
  return true;
}

void Assembler::note_problem(const std::string& path, const std::string& stage,
                             const std::string& error, bool incomplete) {
  Problem problem{path, stage, error};
  Head& head = report_.head;
  ++head.problem_count;
  if (head.problems.size() < kProblemsKept) head.problems.push_back(problem);
  if (!incomplete) return observer_.item(ItemAction::vanished, path, 0);
  head.outcome = Outcome::incomplete;
  ++observer_.progress.errors;
  observer_.problem(problem);
}

void Assembler::count(const Item& item) {
  ItemAction action = first_of_set_ ? ItemAction::created : item.action;
  if (action == ItemAction::modified && item.expected && item.content && *item.expected == item.content->sums)
    action = ItemAction::unchanged;
  if (item.entry.type == FileType::file) {
    if (item.to_read) report_.bytes_read += item.entry.size;
    if (!item.content) observer_.progress.bytes += item.entry.size;
  }
  count(action, item.entry.type, item.entry.path, item.entry.size);
}

void Assembler::count(ItemAction action, FileType type, const std::string& path, std::uint64_t size) {
  Head& head = report_.head;
  ++head.entries;
  if (type == FileType::directory) {
    report_.dirs_new += action == ItemAction::created;
    report_.dirs_changed += action == ItemAction::modified;
    report_.dirs_unmodified += action == ItemAction::unchanged;
  }
  if (type != FileType::file) return;
  ++head.files;
  head.bytes += size;
  report_.files_new += action == ItemAction::created;
  report_.files_changed += action == ItemAction::modified;
  report_.files_unmodified += action == ItemAction::unchanged;
  report_.files_moved += action == ItemAction::moved;
  ++observer_.progress.files;
  observer_.item(action, path, size);
}

void Assembler::learn(Item& item, Timestamp racy_since) {
  if (!item.row) return;
  FileRow& row = *item.row;
  if (item.content) {
    const Content& content = *item.content;
    if (!content.error.empty() || content.changed) return;
    row.device = content.status.device;
    row.inode = content.status.inode;
    row.mtime = content.status.mtime;
    row.ctime = content.status.ctime;
    row.btime = content.status.btime;
    row.size = content.sums.size;
    row.has_xattrs = !content.xattrs.empty();
    take_sums(row, content.sums);
  }
  bool is_file = item.entry.type == FileType::file;
  const FileStatus& status = item.content ? item.content->status : item.source.status;
  bool is_fresh = is_file && touched_since(status, racy_since, item.stable_identity);
  rows_(is_fresh ? racy_row(std::move(row)) : std::move(row));
}

}  // namespace reverse
