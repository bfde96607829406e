#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "libcore/catalog/upload_journal.h"
#include "libcore/engine/observer.h"
#include "libcore/engine/repository_writer.h"
#include "libcore/scan/source_entry.h"

namespace reverse {

class LargeUpload;

/// Opens the journal of uploads; called when it is first needed.
using OpenJournal = std::function<std::unique_ptr<UploadJournal>()>;
/// Likewise for copies from the repository with that id; nullptr where another process of this
/// machine is copying from there.
using OpenCopyJournal = std::function<std::unique_ptr<UploadJournal>(const std::string& source_id)>;

/// Uploads of large contents that a later run goes on with if this one ends before they do. The
/// caller holds the lock of the set. Thread-safe. A journal that fails costs that only, and a warning.
class LargeUploads {
 public:
  /// Without `open` every upload begins at byte 0. `set`: "HOST/LABEL", or the id of the repository
  /// that contents are copied from. `root`: the absolute path of the source; unused for copies.
  LargeUploads(RepositoryWriter& writer, OpenJournal open, std::string set, std::string root,
               Observer& observer);

  /// An upload for the file at `path` (relative to the source), as it was when it was opened: goes
  /// on where an earlier run had to stop, if the file is still the same.
  std::unique_ptr<LargeUpload> begin(const std::string& path, const FileStatus& opened);
  /// Likewise for a content that is known by its sums; `path`: of a file that has it.
  std::unique_ptr<LargeUpload> begin(const Sums& content, const std::string& path);
  /// True if so many bytes are worth going on with; less is sent again as fast as it is looked for.
  static bool is_large(std::uint64_t bytes) { return bytes >= kLarge; }
  /// The revision is published: what the journal still knows of the set is of no use any more.
  void finish();

  /// Uploads that went on, what had been there of them, and what they are whole, in bytes.
  struct WentOn {
    std::uint64_t files = 0, bytes = 0, of_bytes = 0;
    bool operator==(const WentOn&) const = default;
  };
  WentOn went_on();

 private:
  friend class LargeUpload;
  static constexpr std::uint64_t kLarge = 8 << 20;

  std::unique_ptr<LargeUpload> begin(JournaledUpload row, const std::string& path);
  void note(const JournaledUpload& upload);
  template <typename Body>
  void use_journal(Body body);
  std::unique_ptr<Upload> go_on(const JournaledUpload& known, JournaledUpload& row);
  void count(const std::string& path, const JournaledUpload& row);

  RepositoryWriter& writer_;
  const std::string set_, root_;
  Observer& observer_;
  std::mutex mutex_;  // guards what follows
  OpenJournal open_;  // empty: there is none, or it failed
  std::unique_ptr<UploadJournal> journal_;
  std::set<std::string> ours_;  // temporaries of this run
  WentOn went_on_;
};

/// One of them. Destroying it before it was taken leaves what was sent for a later run. One thread
/// at a time.
class LargeUpload : public ByteSink {
 public:
  LargeUpload(LargeUploads& all, std::unique_ptr<Upload> upload, JournaledUpload row);
  ~LargeUpload() override;

  void write(ByteView bytes) override;
  /// It is whole, to be put into the repository.
  std::unique_ptr<Upload> take() { return std::move(upload_); }
  /// What was sent is of no use, and is not left. Nothing else may follow.
  void discard();

 private:
  void note();

  LargeUploads& all_;
  std::unique_ptr<Upload> upload_;
  JournaledUpload row_;  // as it was noted last
  std::uint64_t written_ = 0, look_at_;
};

}  // namespace reverse
