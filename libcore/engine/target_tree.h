#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "libcore/base/bytes.h"
#include "libcore/base/fd.h"
#include "libcore/store/entry.h"

namespace reverse {

struct RestoreOptions;
struct RestoreReport;

/// Applies what an entry says besides content. Thread-safe.
class MetadataWriter {
 public:
  explicit MetadataWriter(const RestoreOptions& options);

  /// Owner, mode, attributes and times of an open file or directory. Throws the errno's kind for what must not fail (mode, times).
  void apply(int fd, const Entry& entry, const std::string& display);
  /// Owner and times of a name that is not opened (symlink, FIFO, socket, device).
  void apply_to_name(int directory_fd, const std::string& name, const Entry& entry, const std::string& display);

  std::uint64_t special_left_out() const { return special_left_out_; }
  std::uint64_t owners_left_out() const { return owners_left_out_; }
  /// Counts one thing that needs `--special`.
  void leave_out_special() { ++special_left_out_; }

 private:
  struct Ids {
    std::uint32_t uid, gid;
  };
  Ids ids_of(const Entry& entry);
  void set_owner(int directory_fd, const char* name, const Entry& entry);
  void set_xattr(int fd, const Xattr& xattr);
  void set_xattrs(const std::string& path, const Entry& entry);

  const bool special_, set_owners_, numeric_ids_;
  std::mutex mutex_;  // guards the two maps
  std::unordered_map<std::string, std::int64_t> users_, groups_;  // -1: no such name here
  std::atomic<std::uint64_t> special_left_out_{0}, owners_left_out_{0};
};

/// A directory of the target. Made when the first thing in it is made; gets its metadata when the last is done, since making names in it changes its
/// times and a read-only mode would forbid them. Everything below is reached by names without following symlinks.
/// Thread-safe but for `parent`'s life: the chain upwards is shared.
class TargetDirectory {
 public:
  /// The target itself, an open directory.
  TargetDirectory(UniqueFd fd, std::string display, MetadataWriter& metadata);
  /// A directory below `parent`, not made yet. `wanted`: it is made even if nothing is made in it.
  /// `replace`: another file in its place is removed.
  TargetDirectory(std::shared_ptr<TargetDirectory> parent, std::string name, bool wanted, bool replace);

  ~TargetDirectory();
  TargetDirectory(const TargetDirectory&) = delete;
  TargetDirectory& operator=(const TargetDirectory&) = delete;

  /// The metadata it is to get in the end. Call before `leave`.
  void set_entry(Entry entry) { entry_ = std::move(entry); }
  /// Makes it if it is not there. Throws `exists` where something else has its name, and the errno's kind.
  void make();
  /// An open descriptor of it, `kept` or to be closed by the holder. Makes it if needed.
  struct Handle {
    int fd = -1;
    UniqueFd own;  // closes `fd` where it is not kept
  };
  Handle open();
  const std::string& display() const { return display_; }
  std::string display(const std::string& name) const { return display_ + "/" + name; }

  /// One more thing is under way in it.
  void enter() { ++pending_; }
  /// One thing less; the last one applies the metadata and leaves the parent. Returns the messages of what failed.
  void leave(std::string& errors);

 private:
  UniqueFd open_in(int above) const;

  std::shared_ptr<TargetDirectory> parent_;
  std::string name_, display_;
  MetadataWriter* metadata_;
  bool wanted_ = false, replace_ = false;
  std::mutex mutex_;  // guards making
  bool made_ = false;
  UniqueFd fd_;       // empty where too many are open
  std::optional<Entry> entry_;
  std::atomic<unsigned> pending_{1};
};

/// Writes a file's content, leaving holes where asked: for holes of the source, and for runs of zeros if `sparse`.
class FileSink : public ByteSink {
 public:
  FileSink(int fd, bool sparse, std::string display);
  void write(ByteView bytes) override;
  /// Sets the length where the file ends in a hole.
  void finish();
  /// Forgets what was written.
  void restart();
  std::uint64_t size() const { return size_; }

 private:
  void put(ByteView bytes);
  void skip(std::size_t count);

  int fd_;
  bool sparse_;
  bool ends_in_hole_ = false;
  std::uint64_t size_ = 0;
  std::string display_;
};

}  // namespace reverse
