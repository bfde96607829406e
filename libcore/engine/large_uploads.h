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

/// Uploads of large files that a later run goes on with if this one ends before they do. The caller
/// holds the lock of the set. Thread-safe. A journal that fails costs that only, and a warning.
class LargeUploads {
 public:
  /// Without `open` every upload begins at byte 0. `root`: the absolute path of the source.
  LargeUploads(RepositoryWriter& writer, OpenJournal open, std::string set, std::string root,
               Observer& observer);

  /// An upload for the file at `path` (relative to the source), as it was when it was opened: goes
  /// on where an earlier run had to stop, if the file is still the same.
  std::unique_ptr<LargeUpload> begin(const std::string& path, const FileStatus& opened);
  /// The revision is published: what the journal still knows of the set is of no use any more.
  void finish();

  /// Uploads that went on, what had been there of them, and what they are whole, in bytes.
  struct WentOn {
    std::uint64_t files = 0, bytes = 0, of_bytes = 0;
  };
  WentOn went_on();

 private:
  friend class LargeUpload;
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
  /// What was sent is of no use.
  void discard() { upload_->discard(); }

 private:
  void note();

  LargeUploads& all_;
  std::unique_ptr<Upload> upload_;
  JournaledUpload row_;  // as it was noted last
  std::uint64_t written_ = 0, look_at_;
};

}  // namespace reverse
