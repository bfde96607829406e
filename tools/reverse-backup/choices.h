#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "libcore/backend/backend.h"
#include "libcore/cli/tool.h"
#include "libcore/engine/backup.h"

namespace reverse {

/// What the command line of reverse-backup says, and the backups that it means.
struct BackupChoices {
  BackupOptions backup;  // what all sources share
  std::optional<std::string> host, label, as, files_from, files_from0;
  std::optional<std::string> stdin_filename, stdin_command;
  std::optional<DigestKind> digest;
  std::vector<std::string> require_mounts;
  std::optional<std::chrono::seconds> overdue;
  Durability durability = Durability::barrier;
  bool no_create = false;
  bool strict = false;

  /// Declares the options; their targets are members of this object.
  void declare(OptionSet& options);
  /// One backup for each SOURCE among the operands that are left (REPO taken away). Throws `usage`.
  std::vector<BackupOptions> plan(Invocation& call) const;
  /// Throws `refused` unless everything that must be a mount point is one.
  void check_mounts() const;

 private:
  void declare_selection(OptionSet& options);
  void declare_comparison(OptionSet& options);
  void declare_revision(OptionSet& options);
  void declare_repository(OptionSet& options);
  void cross(const std::string& kinds);
  void choose_paths(BackupOptions& options, Invocation& call) const;
  BackupOptions plan_source(const std::string& source, Invocation& call) const;
  BackupOptions plan_stream() const;
};

}  // namespace reverse
