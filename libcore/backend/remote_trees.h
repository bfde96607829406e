#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libcore/backend/backend.h"
#include "libcore/base/timestamp.h"

namespace reverse {

/// One thing to be done to a name on the machine that holds a repository.
struct RemoteStep {
  enum class Act {
    make_directory,    ///< with `mode`
    link,              ///< a hard link to the file `other`
    symlink,           ///< that says `other`
    set,               ///< `mode`, and `mtime` in whole seconds where there is one
    rename,            ///< to `other`, which is replaced
    remove,            ///< a file or symlink
    remove_directory,  ///< an empty one
    look,              ///< `RemoteAnswer::stat`; follows no symlink
  };
  Act act = Act::look;
  std::string path;
  std::string other = {};
  std::uint32_t mode = 0;
  std::optional<Timestamp> mtime = {};
};

/// What a server says to a step. Only a `look` tells what there is: some servers confirm links that
/// they never make.
struct RemoteAnswer {
  enum class Outcome {
    done,
    absent,       ///< what is needed is not there
    unsupported,  ///< the server does no such thing
    failed,       ///< for whatever reason, a name that is taken among them
  };
  Outcome outcome = Outcome::failed;
  std::string words;  ///< the server's, of what is not done
  FileStat stat;      ///< of a look
};

/// Trees outside the repository, on the machine that holds it: names are made, looked at and removed
/// many at a time. Backends with a server behind them own one (`RemoteTreesOwner`). Paths are the server's: absolute, or from where a login begins. Thread-safe.
/// Throws `network` where a connection is lost: which steps were done is not known then.
class RemoteTrees {
 public:
  using Stage = std::vector<RemoteStep>;

  virtual ~RemoteTrees() = default;

  /// The server's name of a path in the repository.
  virtual std::string full(const RepoPath& path) const = 0;
  /// "'nas:/views/x'"
  virtual std::string quote(const std::string& path) const = 0;

  /// Does all steps, in as few round trips as the server allows; those of a stage may need what the
  /// stages before it did. Answers come in the order of the steps.
  virtual std::vector<RemoteAnswer> run(std::span<const Stage> stages) = 0;
  /// Likewise steps that need nothing of each other.
  std::vector<RemoteAnswer> run_stage(const Stage& stage) { return run({&stage, 1}); }
  /// What each directory holds. Throws `not_found`, `permission`.
  virtual std::vector<std::vector<ListedFile>> list(std::span<const std::string> directories) = 0;
  /// Small files, whole; nullopt for what is not there.
  virtual std::vector<std::optional<std::string>> read(std::span<const std::string> paths) = 0;
  /// A new file, which `keep` lets stay once it is closed.
  virtual std::unique_ptr<Upload> create(const std::string& path, std::uint32_t mode) = 0;
  virtual void keep(Upload& upload) = 0;
};

/// Backends whose machine is reached by a connection are of this class as well.
class RemoteTreesOwner {
 public:
  virtual ~RemoteTreesOwner() = default;

  virtual RemoteTrees& trees() = 0;
};

}  // namespace reverse
