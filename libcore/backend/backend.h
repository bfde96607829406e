#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libcore/base/bytes.h"
#include "libcore/base/error.h"
#include "libcore/base/file_type.h"
#include "libcore/base/timestamp.h"

namespace reverse {

class RemoteShell;

/// A path below the repository's root: components joined by '/', no leading '/'; "" is the root.
using RepoPath = std::string;

struct FileStat {
  FileType type = FileType::file;
  std::uint64_t size = 0;   ///< bytes
  std::uint32_t mode = 0;   ///< permission bits
  Timestamp mtime;          ///< by the repository's clock
  std::uint64_t links = 0;  ///< 0 where the backend cannot tell
  std::optional<std::uint32_t> owner = {};  ///< number of the user it belongs to, where known
};

struct ListedFile {
  std::string name;  ///< last component
  FileStat stat;
};

/// What a backend promises beyond the rules of `Backend`; constant over its life.
struct BackendTraits {
  bool cheap_stat = false;        ///< `stat` costs microseconds, not a round trip
  bool reliable_listing = false;  ///< a listing is complete or an error
  bool durable = false;      ///< `barrier` and `publish` reach the medium
  unsigned connections = 1;  ///< uploads that can usefully run at the same time
};

/// A new file being written under a temporary name. Made by `Backend::create`; given to
/// `Backend::publish` or `replace`, which take the name away. Destroying one that was not
/// published removes the temporary, as far as that still works, unless it is to be kept.
/// Errors of `create` and `write` may show only later, at `publish` at the latest.
/// One thread at a time; different uploads may be used by different threads.
class Upload : public ByteSink {
 public:
  /// Waits until the file is certainly there. Throws what `create` throws.
  virtual void confirm() {}
  /// No more bytes will come.
  virtual void close() = 0;
  /// Where a connection was lost while the file was written, or an earlier run had begun it, so that
  /// bytes which were confirmed may not have survived: sends to `sink` all that is there, to be
  /// compared, and returns true. False: nothing is in doubt. Only when closed; waits.
  virtual bool read_back(ByteSink& sink) {
    static_cast<void>(sink);
    return false;
  }
  /// So many bytes from the beginning the repository has told to have: `Backend::take_over` could go
  /// on from there. 0 where it could not.
  virtual std::uint64_t confirmed() { return 0; }
  /// From now on destroying this leaves the temporary for `Backend::take_over`, unless writing it has
  /// failed for good.
  virtual void keep() {}
  /// Undoes `keep`: what was written is of no use.
  virtual void discard() {}
};

/// A temporary that an upload of a run which has ended left.
struct LeftUpload {
  RepoPath path;
  std::uint64_t confirmed = 0;  ///< bytes from the beginning that were there for certain
  std::uint64_t size = 0;       ///< bytes it is to have in the end
};

/// Something that will be read, or listed, soon.
struct Expected {
  RepoPath path;
  bool is_directory = false;
  std::uint64_t size = 0;  ///< of the file in bytes; 0 where unknown
};

struct Publication {
  Upload* upload = nullptr;  ///< closed; not owned
  RepoPath target;
};

struct Move {
  RepoPath from, to;
};

enum class MoveResult {
  done,
  exists,  ///< the target's name is taken; nothing was changed (a temporary stays its upload's)
  gone,    ///< what was to be moved, or a directory on either way, is not there (a closed gate)
};

/// A directory somewhere that holds a repository: paths and bytes, no knowledge of formats.
///
/// Every backend keeps these promises (tests/backend/conformance.h):
/// - a name given by `publish` or `move` never replaces another file, and names complete content
///   whose bytes were durable before the name appeared;
/// - `not_found` and an empty optional mean "certainly absent", never "could not look";
/// - full paths are resolved anew at each call: no handle on a directory is kept (protocol: F1).
///
/// Thread-safe, except where an argument is not. Throws `permission`, `no_space`, `io`,
/// `network` (retryable); the message names host, path and operation.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual const BackendTraits& traits() const = 0;
  /// How messages name `path`: "'/backup/objects'", "'nas:/backup/objects'".
  virtual std::string display(const RepoPath& path) const = 0;

  // --- reading

  /// nullopt if absent. Does not follow a symlink in the last component.
  virtual std::optional<FileStat> stat(const RepoPath& path) = 0;
  /// Calls `visit` for every name but "." and ".." in no order. Throws `not_found` if `directory`
  /// is absent.
  virtual void list(const RepoPath& directory,
                    const std::function<void(const ListedFile&)>& visit) = 0;
  /// Likewise, but names that `wanted` turns down are neither visited nor, where that costs anything,
  /// looked at.
  virtual void list_wanted(const RepoPath& directory,
                           const std::function<bool(std::string_view name)>& wanted,
                           const std::function<void(const ListedFile&)>& visit) {
    list(directory, [&](const ListedFile& file) {
      if (wanted(file.name)) visit(file);
    });
  }
  /// Sends the file's bytes in order to `sink`, from byte 0; returns their number. Throws
  /// `not_found`.
  virtual std::uint64_t read(const RepoPath& path, ByteSink& sink) = 0;

  /// The file's bytes, to be pulled: so that one thread can read many files side by side. nullptr
  /// where files can only be `read`. Throws `not_found`; so may pulling what `read` throws.
  virtual std::unique_ptr<ByteSource> open(const RepoPath& path) {
    static_cast<void>(path);
    return nullptr;
  }

  /// Says what will be read or listed soon: a distant backend may fetch it ahead, as far as memory
  /// allows, and the first such call then tells what was there meanwhile. Has no other effect.
  virtual void expect(std::span<const Expected> what) { static_cast<void>(what); }
  /// Says that much will be uploaded: a distant backend may connect more often meanwhile. Has no
  /// other effect.
  virtual void expect_uploads() {}

  /// Asks for the file's next `read` to come from the medium, not from this machine's memory of it,
  /// as far as that can be had. Has no other effect.
  virtual void forget_cached(const RepoPath& path) { static_cast<void>(path); }

  // --- writing

  /// A new file with permission bits `mode`, whatever the umask (never more than that, not even at
  /// first); the bits for others are left out below a root that is open to its group only. Parents
  /// must exist. Throws `exists`, or `not_found` where the parent is missing.
  virtual std::unique_ptr<Upload> create(const RepoPath& path, std::uint32_t mode) = 0;
  /// Goes on with what is `left`, as `path`: only one of several callers gets it. All bytes are
  /// written to the upload once more, from the first on; those that `confirmed` then tells to be
  /// there are not sent again, and in doubt (`read_back`). nullptr where that cannot be had: it is
  /// gone, or this account renames nothing; or where this backend has no use for it.
  virtual std::unique_ptr<Upload> take_over(const LeftUpload& left, const RepoPath& path,
                                            std::uint32_t mode) {
    static_cast<void>(left), static_cast<void>(path), static_cast<void>(mode);
    return nullptr;
  }
  /// What `publish` begins with, for who has something else to do before names are given: waits
  /// until the bytes of the uploads are durable. False where only `publish` does that.
  virtual bool make_durable(std::span<Upload* const> uploads) {
    static_cast<void>(uploads);
    return false;
  }
  /// Makes every upload's bytes durable, then gives each its name if that is free; results in
  /// the order of `publications`. The new names are durable after the next `barrier`.
  virtual std::vector<MoveResult> publish(std::span<const Publication> publications) = 0;
  /// Like `publish` for one file, but a file of that name is replaced.
  virtual void replace(Upload& upload, const RepoPath& target) = 0;
  /// Renames a file or directory if the target's name is free. Where a file system cannot do that
  /// in one step, a file may have both names for a moment, or (no hard links either: FAT) a name
  /// made at that moment is replaced.
  virtual MoveResult move(const RepoPath& from, const RepoPath& to) = 0;
  /// `move` of each, in no order and without waiting for one after the other; results in the order
  /// of `moves`. Where it throws, some may be done.
  virtual std::vector<MoveResult> move_all(std::span<const Move> moves) {
    std::vector<MoveResult> results;
    for (const Move& one : moves) results.push_back(move(one.from, one.to));
    return results;
  }
  /// Removes a file. False if it was absent.
  virtual bool remove(const RepoPath& path) = 0;
  /// `remove` of each, as `move_all` moves.
  virtual std::vector<bool> remove_all(std::span<const RepoPath> paths) {
    std::vector<bool> results;
    for (const RepoPath& path : paths) results.push_back(remove(path));
    return results;
  }
  /// Makes a directory with the permissions and the group of the one it lies in, or the root itself
  /// (""), private to its owner. False if the name was taken. Throws `not_found` where the parent is
  /// missing.
  virtual bool make_directory(const RepoPath& path) = 0;
  /// Makes those that are not there, each in a directory that is or that comes before it.
  virtual void make_directories(std::span<const RepoPath> paths) {
    for (const RepoPath& path : paths) make_directory(path);
  }
  /// Removes an empty directory. False if it is absent or not empty.
  virtual bool remove_directory(const RepoPath& path) = 0;

  /// Makes durable every name that this backend object gave or took away before the call (names of
  /// temporaries excepted), and, by whomever made, every name in `directories`.
  /// Once the medium failed to make something durable, no later `publish` or `barrier` of this
  /// backend object succeeds: what else was lost cannot be told.
  virtual void barrier(std::span<const RepoPath> directories) = 0;

  /// Bytes that can still be written; nullopt where unknown.
  virtual std::optional<std::uint64_t> free_bytes() = 0;

  /// After `loss`, an error of kind `network`: waits until the repository is within reach again.
  /// Throws what makes further tries useless (`permission`); or `loss`, saying that it was given up,
  /// where it is.
  virtual void recover(const Error& loss) { throw loss; }

  /// Commands on the machine that holds the repository; nullptr where none are to be had or wanted.
  virtual RemoteShell* shell() { return nullptr; }
};

/// When uploads are made durable.
enum class Durability {
  barrier,  ///< many at once, before they get their names
  each,     ///< file by file
  none,     ///< whenever the system does it: a power cut may cost published revisions
};

/// A repository in a local directory, which need not exist: `make_directory("")` makes it. A root
/// that is there keeps its permissions and passes them on: below 2770 directories get 2770, and
/// files asked for with 0444 get 0440. The root may be a symlink; none below it is followed.
std::unique_ptr<Backend> open_local_backend(const std::string& root,
                                            Durability durability = Durability::barrier);

}  // namespace reverse
