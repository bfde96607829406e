#include "libcore/engine/restore_tar.h"

#include <deque>
#include <unordered_map>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/engine/restore_selection.h"
#include "libcore/engine/target_maker.h"
#include "libcore/store/object_copies.h"

namespace reverse {

namespace {

constexpr std::size_t kEntriesAhead = 512;
constexpr std::uint64_t kBytesAhead = 12 << 20;  // of a distant repository
constexpr std::uint64_t kLargestAhead = 1 << 20;
constexpr std::uint64_t kCostAhead = 8 << 10;  // of a file besides its bytes
constexpr std::uint32_t kSetIdBits = 06000;

using Part = RestoreSelection::Part;

/// Entries of a tree, what is to be read of them announced ahead.
class EntriesAhead {
 public:
  EntriesAhead(const Repository& repository, const Head& head, const std::string& top)
      : repository_(repository), tree_(repository.tree(head)), top_(top) {
    if (!top.empty()) tree_.seek(top);
  }

  std::optional<Entry> next() {
    while (!ended_ && entries_.size() < kEntriesAhead && bytes_ < kBytesAhead) fetch();
    if (entries_.empty()) return std::nullopt;
    Entry entry = std::move(entries_.front());
    entries_.pop_front();
    bytes_ -= cost_of(entry);
    return entry;
  }

 private:
  static std::uint64_t cost_of(const Entry& entry) {
    const bool is_small =
        entry.type == FileType::file && entry.digest && entry.size <= kLargestAhead;
    return is_small ? kCostAhead + entry.size : 0;
  }
  void fetch() {
    std::optional<Entry> entry = tree_.next();
    ended_ = !entry || !is_below(entry->path, top_);
    if (ended_) return;
    if (cost_of(*entry) > 0) repository_.expect_object(sums_of(*entry));
    bytes_ += cost_of(*entry);
    entries_.push_back(*std::move(entry));
  }

  const Repository& repository_;
  TreeReader tree_;
  const std::string& top_;
  std::deque<Entry> entries_;
  std::uint64_t bytes_ = 0;
  bool ended_ = false;
};

class Archiving {
 public:
  Archiving(const Repository& repository, const Head& head, const RestoreOptions& options,
            TarWriter& archive, Observer& observer)
      : repository_(repository),
        head_(head),
        options_(options),
        archive_(archive),
        observer_(observer),
        selection_(head, options) {}

  RestoreReport run(const std::stop_token& stop);

 private:
  /// The first member of a group of hard links.
  struct First {
    std::string name;
    Sums sums;
  };
  std::string name_of(const Entry& entry) const;
  void add(const Entry& entry);
  void add_file(const Entry& entry);
  void write_member(const Entry& entry, const std::string& hardlink = "");
  void report_problem(const Entry& entry, const char* stage, const std::string& why);

  const Repository& repository_;
  const Head& head_;
  const RestoreOptions& options_;
  TarWriter& archive_;
  Observer& observer_;
  RestoreSelection selection_;
  std::vector<Entry> way_;  // directories that may lead to something, not written yet
  std::unordered_map<std::uint64_t, First> groups_;
  RestoreReport report_;
};

RestoreReport Archiving::run(const std::stop_token& stop) {
  EntriesAhead entries(repository_, head_, options_.path);
  std::optional<Entry> entry = entries.next();
  if (!entry || entry->path != options_.path)
    fail(ErrorKind::not_found, "'{}' is not in revision {}", printable(options_.path),
         head_.revision());
  for (; entry; entry = entries.next()) {
    throw_if_stopped(stop);
    while (!way_.empty() && !is_below(entry->path, way_.back().path)) way_.pop_back();
    const Part part = selection_.part_of(*entry);
    if (part == Part::way) way_.push_back(*std::move(entry));
    if (part == Part::whole) add(*entry);
  }
  for (const std::string& missing : selection_.missing()) {
    ++report_.failed;
    observer_.problem({missing, "find", fmt::format("is not in revision {}", head_.revision())});
  }
  return report_;
}

/// Paths begin where a restore would: at the revision's root, or with the last component of PATH.
std::string Archiving::name_of(const Entry& entry) const {
  const std::size_t slash = options_.path.rfind('/');
  const std::string name =
      slash == std::string::npos ? entry.path : entry.path.substr(slash + 1);
  const bool is_directory =
      entry.type == FileType::directory || entry.type == FileType::repository;
  if (name.empty()) return "./";
  return is_directory ? name + "/" : name;
}

void Archiving::add(const Entry& entry) {
  if (!entry.error.empty() && entry.type == FileType::directory) {
    ++report_.unreadable;
    report_problem(entry, "list", entry.error);
  }
  switch (entry.type) {
    case FileType::file:
      return add_file(entry);
    case FileType::directory:
      return write_member(entry);
    case FileType::repository:
      ++report_.failed;
      report_problem(entry, "restore", "a repository of its own, which an archive cannot hold: restore it into a directory");
      return;
    case FileType::socket:
      ++report_.special_left_out;
      return;
    case FileType::character_device:
    case FileType::block_device:
      if (options_.special) break;
      ++report_.special_left_out;
      return;
    default:
      break;
  }
  write_member(entry);
  ++report_.others_restored;
}

void Archiving::add_file(const Entry& entry) {
  ++observer_.progress.files;
  observer_.progress.bytes += entry.size;
  if (!entry.digest) {
    ++report_.unreadable;
    return report_problem(entry, "unreadable",
                          "was unreadable when it was backed up: " + entry.error);
  }
  const First* first = nullptr;
  if (entry.hardlink)
    if (const auto at = groups_.find(*entry.hardlink); at != groups_.end()) first = &at->second;
  if (first != nullptr && first->sums == sums_of(entry)) {
    write_member(entry, first->name);
    ++report_.files_restored;
    return;
  }
  // The header goes before the first byte, which comes only when the content is known to be whole.
  class Member : public ByteSink {
   public:
    Member(Archiving& archiving, const Entry& entry) : archiving_(archiving), entry_(entry) {}
    void write(ByteView bytes) override {
      begin();
      if (!archiving_.options_.dry_run) archiving_.archive_.content(bytes);
    }
    void begin() {
      if (!std::exchange(has_begun_, true)) archiving_.write_member(entry_);
    }

   private:
    Archiving& archiving_;
    const Entry& entry_;
    bool has_begun_ = false;
  } member(*this, entry);
  try {
    if (!options_.dry_run) read_checked_object(repository_, sums_of(entry), member);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::not_found) throw;
    ++report_.damaged;
    return report_problem(entry, "damaged", error.what());
  }
  member.begin();
  if (!options_.dry_run) archive_.end_content();
  if (entry.hardlink) groups_.try_emplace(*entry.hardlink, First{name_of(entry), sums_of(entry)});
  ++report_.files_restored;
  report_.bytes_restored += entry.size;
  observer_.item(ItemAction::created, entry.path, entry.size);
}

void Archiving::write_member(const Entry& entry, const std::string& hardlink) {
  for (const Entry& directory : std::exchange(way_, {})) write_member(directory);
  if (options_.dry_run) return;
  std::uint32_t mode = entry.mode;
  if (entry.type == FileType::file && (mode & kSetIdBits) != 0 && !options_.special) {
    mode &= ~kSetIdBits;
    ++report_.special_left_out;
  }
  Xattrs xattrs;
  for (const Xattr& xattr : entry.xattrs) {
    const bool is_special =
        xattr.name.starts_with("security.") || xattr.name.starts_with("trusted.");
    if (is_special && !options_.special)
      ++report_.special_left_out;
    else
      xattrs.push_back(xattr);
  }
  archive_.member({.entry = entry,
                   .name = name_of(entry),
                   .hardlink = hardlink,
                   .mode = mode,
                   .numeric_ids = options_.numeric_ids,
                   .xattrs = xattrs});
}

void Archiving::report_problem(const Entry& entry, const char* stage, const std::string& why) {
  observer_.problem({entry.path, stage, why});
}

}  // namespace

RestoreReport run_tar(const Repository& repository, const Head& head, const RestoreOptions& options,
                      TarWriter& archive, Observer& observer, const std::stop_token& stop) {
  observer.progress.total_files = options.path.empty() ? head.files : 0;
  observer.progress.total_bytes = options.path.empty() ? head.bytes : 0;
  return Archiving(repository, head, options, archive, observer).run(stop);
}

}  // namespace reverse
