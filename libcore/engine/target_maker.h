#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>

#include "libcore/base/byte_budget.h"
#include "libcore/engine/restore.h"
#include "libcore/engine/target_tree.h"

namespace reverse {

class NewFile;

/// Of the content that a file's entry names.
Sums sums_of(const Entry& entry);

/// What one thread makes and others wait for. Thread-safe.
class Awaited {
 public:
  void settle(bool made);
  /// Waits until it is settled; false if it was not made. Throws `Cancelled`.
  bool wait_made(const std::stop_token& stop);

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool settled_ = false, made_ = false;
};

/// The first name of a hard-link group; later ones become links to it once it is made. Thread-safe.
class LinkGroup : public Awaited {
 public:
  LinkGroup(std::shared_ptr<TargetDirectory> directory, std::string name, const Entry& entry);

  /// Whether `entry` really is the same content, whatever the revision says of its group.
  bool fits(const Entry& entry) const;

  const std::shared_ptr<TargetDirectory> directory;
  const std::string name;

 private:
  const FileType type_;
  const Sums sums_;
  const std::string target_;
  const std::pair<std::uint32_t, std::uint32_t> device_;
};

/// The first file with a content; others are copied from it, so that the content is fetched once.
class FirstCopy : public Awaited {
 public:
  explicit FirstCopy(std::string where) : path(std::move(where)) {}
  const std::string path;
};

/// One name to be made in the target, other than a directory.
struct Job {
  Entry entry;
  std::shared_ptr<TargetDirectory> directory;  ///< null in a dry run
  std::string name;
  std::string display;               ///< the whole path, for messages
  std::shared_ptr<LinkGroup> group;  ///< null: no hard link
  bool first_of_group = false;
  std::shared_ptr<FirstCopy> copy;  ///< null: the content is fetched, whoever has it
  bool is_first_copy = false;
  ByteBudget::Share ahead;  ///< of what is fetched before it is asked for
};

/// What became of one name.
enum class Made {
  made,
  skipped,     ///< it was there already
  kept,        ///< something different is there and stays
  damaged,     ///< content missing or wrong in the repository; `why` tells
  left_out,    ///< needs `--special`
  failed,      ///< could not be made here; `why` tells
};
struct MadeResult {
  Made made = Made::made;
  std::string why;
  bool is_salvaged = false;  ///< of damaged content: it is there as NAME.damaged
};

/// Makes single names in the target: content first, under a temporary name, verified; then metadata; then the name.
/// Thread-safe.
class TargetMaker {
 public:
  TargetMaker(const Repository& repository, const RestoreOptions& options, MetadataWriter& metadata);

  /// Throws `no_space`, `network`: what ends the whole run; `Cancelled`.
  MadeResult make(Job& job, const std::stop_token& stop);

 private:
  enum class Verdict { make, replace, skip, keep };
  Verdict judge(int directory, const std::string& name, const Entry& entry) const;
  MadeResult make_here(int directory, Job& job, bool replace, const std::stop_token& stop);
  bool link(int directory, Job& job, bool replace, const std::stop_token& stop);
  MadeResult make_file(int directory, const Job& job, bool replace, const std::stop_token& stop);
  MadeResult fetch(int fd, const Job& job, const std::stop_token& stop);
  bool has_unnamed_files(int directory);
  bool copy_first(const Job& job, FileSink& file, const std::stop_token& stop) const;
  bool salvage(int directory, const Job& job);
  MadeResult make_special(int directory, const Job& job, bool replace);
  void verify_written(const NewFile& file, const Job& job) const;

  const Repository& repository_;
  const RestoreOptions& options_;
  MetadataWriter& metadata_;
  std::once_flag tried_;
  bool unnamed_files_ = false;
};

}  // namespace reverse
