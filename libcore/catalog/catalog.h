#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/timestamp.h"
#include "libcore/hash/digest.h"

namespace reverse {

/// What this machine knows of one regular file's content, or (without digests) that it saw a directory
/// (schema/catalog.sql, table `file`).
struct FileRow {
  std::string path;  ///< absolute, raw bytes, no trailing '/'
  std::uint64_t device = 0, inode = 0;
  std::uint64_t size = 0;  ///< bytes
  Timestamp mtime, ctime;
  std::optional<Timestamp> btime;  ///< birth time, where the file system has it
  std::optional<Digest> md5, sha256;
  std::optional<Check> check;
  bool has_xattrs = false;  ///< so that an unchanged file without any costs no system call for them
  /// Of a directory: what rows below it go by, wherever it lies; 0: none yet, or not known.
  std::int64_t number = 0;
  bool operator==(const FileRow&) const = default;
};

/// What was seen of a source last time, for the guards (table `source`).
struct SourceRow {
  std::string path;  ///< absolute
  std::string set;   ///< "HOST/LABEL"
  std::uint64_t device = 0;
  std::string file_system;  ///< "ext4", "fuse.sshfs"
  std::uint64_t entries = 0;
};

/// Streams rows in the order of the format ('/' as byte 0). Reads in short transactions, so a writer
/// is never held up: rows changed behind or ahead of the cursor meanwhile may or may not be seen as changed.
/// One thread at a time.
class FileCursor {
 public:
  virtual ~FileCursor() = default;
  /// The next row, owned by the cursor until the next call; nullptr at the end.
  virtual const FileRow* next() = 0;
  /// Goes on with the first row behind `path` (absolute), which must not lie before the last one read. Rows below `path` come.
  virtual void skip_to(const std::string& path) = 0;
  /// Goes on behind all rows below the last one read.
  virtual void skip_below() = 0;
};

/// The client-side cache: what was read where, on which machine, so that nothing is read twice.
/// Deleting it costs time, never correctness. Writes wait for other processes' transactions (which last seconds);
/// throws `busy` only after 60 s. Thread-safe: each call locks; a cursor has a connection of its own.
/// Also throws `no_space`, `permission`, `io`; and `corrupt` where damage shows in use: destroy the catalog and its
/// cursors then and open it anew, which sets the file aside. Rows that are not what was written are left out.
class Catalog {
 public:
  /// Opens or creates DIRECTORY/catalog-1.sqlite (0600; directory 0700). A damaged or foreign file is set aside under
  /// NAME.damaged-TIME and a fresh one made; `warn` is then called once with the reason.
  static std::unique_ptr<Catalog> open(const std::string& directory,
                                       const std::function<void(const std::string&)>& warn);
  virtual ~Catalog() = default;

  /// Rows of `path` and everything below it.
  virtual std::unique_ptr<FileCursor> files_below(const std::string& path) = 0;
  /// Rows below the directory `number` as if it lay at `path`, without its own.
  virtual std::unique_ptr<FileCursor> files_in(std::int64_t number, const std::string& path) = 0;
  /// A file's row with this identity, for files that moved; any one of several. Its path is left empty.
  virtual std::optional<FileRow> find_by_inode(std::uint64_t device, std::uint64_t inode) = 0;
  /// All rows of directories with this identity, for those that moved. Path empty: another directory has taken its place.
  virtual std::vector<FileRow> find_directories(std::uint64_t device, std::uint64_t inode) = 0;
  /// True if no rows are kept at all (spares look-ups in a first run).
  virtual bool empty() = 0;

  /// Inserts or replaces rows in one transaction; what is known below them stays. A directory's row with a `number`: all that
  /// is known below that number lies here now.
  virtual void put_files(std::span<const FileRow> rows) = 0;
  /// Notes paths whose rows, and all below them, are to go when the walk has ended; memory stays flat (a temporary table).
  virtual void note_gone(std::span<const std::string> paths) = 0;
  /// Deletes the noted rows, and directories that were displaced and not put elsewhere, in batches of at most a second.
  /// `forget_gone` drops the notes instead.
  virtual void remove_gone() = 0;
  virtual void forget_gone() = 0;

  virtual std::optional<SourceRow> source(const std::string& path, const std::string& set) = 0;
  virtual void put_source(const SourceRow& row) = 0;

  /// The id of the repository that this machine used at `location` (a canonical text); nullopt if none.
  virtual std::optional<std::string> repository_at(const std::string& location) = 0;
  virtual void put_repository_at(const std::string& location, const std::string& repository_id) = 0;
};

}  // namespace reverse
