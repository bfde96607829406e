#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/base/temp_dir.h"
#include "libcore/engine/backup.h"
#include "libcore/engine/restore.h"
#include "tests/support/backends/fault_backend.h"

namespace reverse {

/// Keeps what an operation tells. Thread-safe while the operation runs.
class RecordingObserver : public Observer {
 public:
  void warning(const std::string& message) override;
  void item(ItemAction action, const std::string& path, std::uint64_t size) override;
  void kept(const std::string& path) override;
  void problem(const Problem& problem) override;

  std::vector<std::string> warnings, kept_paths;
  std::map<std::string, ItemAction> actions;  ///< the last one of each path
  std::vector<Problem> problems;

 private:
  std::mutex mutex_;
};

/// A directory in memory where there is such a thing: these tests wait for no disk.
class ScratchDir {
 public:
  ScratchDir();
  const std::string& path() const { return directory_->path(); }
  std::string operator/(const std::string& name) const { return *directory_ / name; }

 private:
  std::unique_ptr<TempDir> directory_;
};

/// Where a repository lies, on a disk or in memory.
class Site {
 public:
  virtual ~Site() = default;
  /// A connection of its own, through which calls can fail.
  virtual std::unique_ptr<FaultBackend> connect() const = 0;
};

/// A repository's directory, not made yet. Nothing is made durable: these tests cut no power.
class Place final : public Site {
 public:
  std::string path() const { return directory_ / "repository"; }
  std::unique_ptr<FaultBackend> connect() const override;
  Place copy() const;

  /// Number of files in objects/.
  std::size_t objects() const;
  /// Every file in it, by path, with its content.
  std::map<std::string, std::string> files() const;

 private:
  ScratchDir directory_;
};

/// A machine that backs up: a cache directory, opened anew for each run as a process would.
class Client {
 public:
  Client() : directory_(std::make_shared<ScratchDir>()) {}
  /// Another process of the same machine.
  static Client beside(const Client& other) { return Client(other.directory_); }

  std::string cache() const { return *directory_ / "cache"; }
  std::string catalog_file() const { return cache() + "/catalog-1.sqlite"; }
  /// Loses all that is known.
  void forget();

  /// Options for backing up `source`, as the tool would set them.
  static BackupOptions options(const std::string& source);
  /// One run, as of a process of its own. The repository is made if there is none. `observer` then
  /// holds what this run told.
  BackupReport back_up(Backend& backend, const BackupOptions& options,
                       const std::stop_token& stop = {});
  BackupReport back_up(const Site& site, const BackupOptions& options);
  BackupReport back_up(const Site& site, const std::string& source);

  std::unique_ptr<RecordingObserver> observer;

 private:
  explicit Client(std::shared_ptr<ScratchDir> directory) : directory_(std::move(directory)) {}

  std::shared_ptr<ScratchDir> directory_;
};

/// Restores the revision that `revision` names into `target`.
struct Restored {
  RestoreReport report;
  std::unique_ptr<RecordingObserver> observer;
};
Restored restore(Backend& backend, const std::string& revision, RestoreOptions options);
Restored restore(Backend& backend, const std::string& revision, const std::string& target);
Restored restore(const Site& site, const std::string& revision, RestoreOptions options);
Restored restore(const Site& site, const std::string& revision, const std::string& target);

/// All entries of a revision.
std::vector<Entry> entries_of(const Site& site, const std::string& revision);
/// Every head of the repository, sets in order, oldest first.
std::vector<Head> heads_of(const Site& site);

/// What breaks the promise that everything published is whole: damaged heads, pages and objects
/// that are missing or have other sums. Objects that nobody cites must be whole as well. Empty if
/// sound.
std::vector<std::string> defects(Backend& backend);
std::vector<std::string> defects(const Site& site);

}  // namespace reverse
