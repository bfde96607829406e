#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/file_type.h"
#include "libcore/base/timestamp.h"

namespace reverse {

/// What a path was in some revisions.
struct PathState {
  std::string path;  ///< raw bytes, relative to the source
  FileType type = FileType::file;
  std::uint32_t mode = 0, uid = 0, gid = 0;
  std::string owner;  ///< "joe:users"
  Timestamp mtime;
  std::uint64_t size = 0;  ///< bytes
  std::string content;     ///< files: raw bytes of the digest, and the check behind it; else empty

  bool operator==(const PathState&) const = default;
};

/// A state, and the revisions of one set that have it: those with ids from `first` to `last`.
struct PathPeriod {
  std::int64_t set = 0;
  std::int64_t first = 0, last = 0;
  PathState state;
};

/// A revision as the history knows it.
struct KnownRevision {
  std::int64_t id = 0;
  std::int64_t set = 0;
  std::string name;        ///< "HOST/LABEL/TIME-ID8"
  std::string tree;        ///< reference to its root page
  std::vector<std::string> tags;
  std::uint64_t bytes = 0;  ///< of all its files
  bool is_listed = true;   ///< the repository still held it when that was looked at last
};

/// Which states are asked for; what is not set does not restrict.
struct PathQuery {
  std::optional<std::string> content_prefix;  ///< raw bytes that `content` begins with
  std::optional<std::uint64_t> larger, smaller;
  std::optional<Timestamp> newer, older;
  /// Asked before anything else is read.
  std::function<bool(std::int64_t set, std::string_view path, FileType type)> wanted;
};

/// How much of something there is.
struct Amount {
  std::uint64_t contents = 0;
  std::uint64_t bytes = 0;
};

/// The paths that a repository's revisions hold, in a file of its own
/// (DIRECTORY/history-REPOSITORY-1.sqlite; schema/history.sql). Several processes may use it at
/// once. One thread at a time. Errors and damaged files: as the catalog's.
class History {
 public:
  static std::unique_ptr<History> open(const std::string& directory,
                                       const std::string& repository_id,
                                       const std::function<void(const std::string&)>& warn);
  virtual ~History() = default;

  /// All revisions, in order of ids.
  virtual std::vector<KnownRevision> revisions() = 0;

  /// Takes the differences between a new revision and the last one of its set.
  class Recorder {
   public:
    virtual ~Recorder() = default;
    /// From the new revision on the path has another state, or one at all. `is_new`: it had not
    /// this content before.
    virtual void begin(const PathState& state, bool is_new) = 0;
    /// What the path was up to now is over. Comes before the path's `begin`.
    virtual void end(std::string_view path) = 0;
    /// All that was is over.
    virtual void end_all() = 0;
  };
  /// Adds a revision in one step: all of it or, if `record` throws, nothing. `record` gets the
  /// set's last revision so far, if any. False, and nothing is done, where the revision is known.
  /// `revision.id` and `set` are not looked at.
  virtual bool add(const KnownRevision& revision,
                   const std::function<void(const KnownRevision* last, Recorder&)>& record) = 0;
  /// The repository does not hold these revisions any more.
  virtual void drop(const std::vector<std::int64_t>& ids) = 0;

  /// Visits states in no order. `visit` must not call this object.
  virtual void visit(const PathQuery& query,
                     const std::function<void(const PathPeriod&)>& visit) = 0;

  // --- contents that listed revisions hold; pages are not counted

  virtual Amount total() = 0;
  /// By set.
  virtual std::vector<std::pair<std::int64_t, Amount>> totals_of_sets() = 0;
  /// By revision: what no other revision of any set holds. Revisions without such are left out.
  virtual std::vector<std::pair<std::int64_t, Amount>> held_alone() = 0;
  /// By revision: files whose content came with it.
  virtual std::vector<std::pair<std::int64_t, Amount>> arrivals() = 0;
};

}  // namespace reverse
