#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/catalog/catalog.h"
#include "libcore/catalog/present_set.h"
#include "libcore/catalog/translations.h"
#include "libcore/engine/expect_backup.h"
#include "libcore/engine/large_uploads.h"
#include "libcore/engine/observer.h"
#include "libcore/scan/walk.h"
#include "libcore/store/repository.h"

namespace reverse {

/// What to do with a repository that lies inside the source (schema/FORMAT.md, "Nested repositories").
enum class NestedRepositories {
  merge,  ///< one entry that names it; its revisions are copied
  skip,   ///< one entry that names it; its content is not backed up
  list,   ///< its files like any other
};

/// A stream that is backed up as one file.
struct StreamSource {
  std::string name;          ///< of the file in the revision
  ByteSource* content = nullptr;  ///< not owned; an error from it publishes nothing
};

struct BackupOptions {
  std::string source;     ///< absolute path that is recorded
  std::string read_from;  ///< absolute path that is walked; the same unless `--as` was given
  std::optional<StreamSource> stream;  ///< instead of walking anything
  std::string host, label;
  bool set_named = false;  ///< the user chose host or label: another source may use the set
  std::vector<std::string> tags;
  std::optional<Timestamp> time;  ///< recorded as the start
  std::vector<std::string> patterns;  ///< in order, as scan/filter.h takes them
  WalkOptions walk;
  NestedRepositories repositories = NestedRepositories::merge;
  bool skip_if_unchanged = false;
  bool reread = false;        ///< read every file again
  bool ignore_ctime = false;
  bool ignore_inode = false;
  std::set<std::string> allow;  ///< guards that are waived: "empty", "shrink", "set"
  std::chrono::seconds checkpoint = std::chrono::minutes(30);  ///< 0: never
  bool dry_run = false;
  std::string tool;  ///< "reverse 0.1.0"
};

/// What a backup works with. Nothing is owned.
struct BackupDeps {
  const Repository& repository;
  Catalog& catalog;
  PresentSet& present;
  Observer& observer;
  std::stop_token stop;
  OpenJournal open_uploads = {};  ///< so that large files go on where an earlier run stopped
  AskedHead* asked_head = nullptr;  ///< taken by the first attempt, if there is one
  // For nested repositories, as `SyncDeps` has them.
  OpenTranslations open_translations = {};
  OpenCopyJournal open_copies = {};
};

struct BackupReport {
  bool published = false;  ///< false: dry run, or nothing changed under `skip_if_unchanged`
  Head head;               ///< as published, or as it would have been
  std::uint64_t files_new = 0, files_changed = 0, files_unmodified = 0, files_moved = 0, files_gone = 0;
  std::uint64_t dirs_new = 0, dirs_changed = 0, dirs_unmodified = 0;
  std::uint64_t files_vanished = 0, files_changed_while_read = 0;
  std::uint64_t nested_revisions = 0;  ///< copied from repositories below the source, or would be
  std::uint64_t data_added = 0;  ///< bytes of objects that were not there (files and pages)
  std::uint64_t bytes_read = 0;  ///< of files whose content was read, or would be (dry run)
  LargeUploads::WentOn went_on;  ///< large files that an earlier run had begun to send
};

/// Backs up one source as one revision: walk, hash, store, pages, barrier, head, catalog.
/// Nothing but checkpoints is published unless it returns; an item that cannot be read is a problem of
/// the report, an error of the repository ends the run.
/// Throws `refused` (a guard), `busy` (the gate was closed several times running), `Cancelled`, or
/// what backend and catalog throw.
BackupReport run_backup(const BackupDeps& deps, const BackupOptions& options);

}  // namespace reverse
