#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libcore/base/fd.h"
#include "libcore/catalog/catalog.h"
#include "libcore/engine/backup.h"
#include "libcore/engine/item.h"
#include "libcore/engine/known_rows.h"
#include "libcore/engine/machine.h"
#include "libcore/engine/page_match.h"
#include "libcore/scan/walk.h"

namespace reverse {

/// The first stage of a backup: walks the source, merges it with the catalog's rows and decides for every name
/// whether its content must be read. One thread.
class SourceScan : public ScanVisitor {
 public:
  /// Whether the repository certainly holds this content.
  using HasContent = std::function<bool(const Sums&)>;
  /// Takes each finished batch, in order.
  using Emit = std::function<void(std::shared_ptr<Batch>)>;

  /// Looks at the source itself. Throws `not_found`, `permission`, `io`.
  SourceScan(const BackupDeps& deps, const BackupOptions& options, HasContent has);

  /// Walks everything. `use_pages`: stretches that are the same as a known page are passed on as such. Throws what `walk` throws.
  void run(Emit emit, bool use_pages, const std::stop_token& stop);

  /// Whether what is seen of the source tells next time that nothing changed, and this run goes by that.
  bool can_match_pages() const;

  /// The file system the source lies on, and its device.
  const FileSystemInfo& file_system() const { return file_system_; }
  std::uint64_t device() const { return device_; }
  /// Nested repositories met, in order.
  std::vector<NestedRepository> repositories() const { return repositories_; }
  std::uint64_t files_gone() const { return rows_->files_gone(); }
  /// Files touched at or after this time may change again without a trace: their rows are not kept.
  Timestamp racy_since() const { return racy_since_; }

  void entry(SourceEntry entry, const std::optional<std::string>& list_error) override;
  void skipped(const std::string& path, SkipReason reason, const std::string& detail) override;
  void failed(const std::string& path, bool vanished, const std::string& error) override;
  void unchanged(std::shared_ptr<KnownStretch> stretch) override;
  void left_out(const std::string& path, SkipReason reason, const std::string& detail) override;
  std::optional<std::string> moved_from() const override;

 private:
  // Deciding.
  bool stable_identity(const SourceEntry& entry);
  bool same_file(const FileRow& row, const FileStatus& status, bool stable) const;
  std::optional<FileRow> moved_from(const FileStatus& status);
  std::optional<FileRow> directory_moved_from(const Item& item, const FileRow* row);
  bool is_there(const std::string& path, const FileStatus& status) const;
  void decide_file(Item& item, const FileRow* row);
  FileRow moved_row(const FileRow& known, const Item& item) const;
  bool take_known_sums(Item& item, const FileRow& row);
  bool join_hard_links(Item& item);
  void open_hard_links(Item& item);
  void decide_directory(Item& item, const FileRow* row);
  void read_item_xattrs(Item& item);
  bool is_repository(const SourceEntry& entry, int directory_fd);
  // Batches.
  void add(Item item);
  void emit_batch();

  const BackupDeps& deps_;
  const BackupOptions& options_;
  HasContent has_;
  Emit emit_;
  Filter filter_;
  UniqueFd root_;
  OwnerNames owners_;
  FileSystemInfo file_system_;
  std::uint64_t device_ = 0;
  std::unordered_map<std::uint64_t, bool> stable_by_device_;  // of file systems crossed into
  Timestamp racy_since_;

  std::optional<KnownRows> rows_;
  std::optional<FileRow> moved_from_;  // of the last directory, if it lay elsewhere: where
  bool catalog_empty_ = false;

  struct LinkGroup {
    std::uint64_t id;
    std::uint64_t links_left;
    std::shared_ptr<Content> content;  // null: the sums are in `first` and `row`
    FileRow row;
    Entry first;
  };
  // Groups of which not every link was met yet, by device and inode.
  struct IdentityHash {
    std::size_t operator()(const std::pair<std::uint64_t, std::uint64_t>& id) const {
      return id.first * 0x9E3779B97F4A7C15ull ^ id.second;
    }
  };
  std::unordered_map<std::pair<std::uint64_t, std::uint64_t>, LinkGroup, IdentityHash> links_;

  std::vector<NestedRepository> repositories_;
  std::shared_ptr<Batch> batch_;
  std::uint64_t batch_bytes_ = 0;
  std::size_t batch_names_ = 0;
};

}  // namespace reverse
