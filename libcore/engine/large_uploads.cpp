#include "libcore/engine/large_uploads.h"

#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/random.h"
#include "libcore/base/timestamp.h"
#include "libcore/store/layout.h"

namespace reverse {

namespace {

constexpr std::uint64_t kNoteEvery = 4 << 20;
/// gc deletes temporaries that nobody has written to for a week: in time before that nobody begins to.
constexpr std::int64_t kUsableSeconds = 6 * 24 * 3600;

/// Whether the file that is there is the one, and in the state, whose upload was noted.
bool is_same(const JournaledUpload& noted, const JournaledUpload& file) {
  return noted.inode == file.inode && noted.size == file.size && noted.mtime == file.mtime &&
         noted.ctime == file.ctime && file.noted - noted.noted < kUsableSeconds;
}

}  // namespace

LargeUploads::LargeUploads(RepositoryWriter& writer, OpenJournal open, std::string set,
                           std::string root, Observer& observer)
    : writer_(writer),
      set_(std::move(set)),
      root_(std::move(root)),
      observer_(observer),
      open_(std::move(open)) {}

/// Calls `body(journal)` if there is one.
template <typename Body>
void LargeUploads::use_journal(Body body) {
  std::lock_guard lock(mutex_);
  try {
    if (!journal_ && open_) journal_ = open_();
    if (journal_) body(*journal_);
  } catch (const Error& error) {
    observer_.warning(fmt::format(
        "{}: should this run be stopped, the next one begins large files anew", error.what()));
    journal_.reset();
    open_ = nullptr;
  }
}

std::unique_ptr<LargeUpload> LargeUploads::begin(const std::string& path,
                                                 const FileStatus& opened) {
  JournaledUpload row;
  row.path = path.empty() ? root_ : root_ + "/" + path;
  row.inode = opened.inode;
  row.size = opened.size;
  row.mtime = opened.mtime;
  row.ctime = opened.ctime;
  return begin(std::move(row), path);
}

std::unique_ptr<LargeUpload> LargeUploads::begin(const Sums& content, const std::string& path) {
  JournaledUpload row;
  row.path = to_string(ObjectName{content.digest, content.check});
  row.size = content.size;
  return begin(std::move(row), path);
}

/// `row` says which content it is.
std::unique_ptr<LargeUpload> LargeUploads::begin(JournaledUpload row, const std::string& path) {
  row.temporary = random_hex(16);
  row.noted = now().seconds;
  std::optional<JournaledUpload> known;
  if (is_large(row.size)) {
    writer_.expect_uploads();
    use_journal([&](UploadJournal& journal) { known = journal.find(set_, row.path); });
  }
  std::unique_ptr<Upload> upload;
  if (known && is_same(*known, row)) upload = go_on(*known, row);
  if (upload) count(path, row);
  if (known && !upload) writer_.remove_temporary(known->temporary);
  if (!upload) upload = writer_.create(row.temporary);
  return std::make_unique<LargeUpload>(*this, std::move(upload), std::move(row));
}

/// nullptr where that is not to be had.
std::unique_ptr<Upload> LargeUploads::go_on(const JournaledUpload& known, JournaledUpload& row) {
  std::unique_ptr<Upload> upload =
      writer_.take_over(known.temporary, known.confirmed, known.size, row.temporary);
  if (!upload) return nullptr;
  upload->keep();
  row.confirmed = upload->confirmed();
  note(row);
  return upload;
}

void LargeUploads::count(const std::string& path, const JournaledUpload& row) {
  observer_.item(ItemAction::resumed, path, row.confirmed);
  std::lock_guard lock(mutex_);
  ++went_on_.files;
  went_on_.bytes += row.confirmed;
  went_on_.of_bytes += row.size;
}

void LargeUploads::note(const JournaledUpload& upload) {
  use_journal([&](UploadJournal& journal) {
    ours_.insert(upload.temporary);
    journal.put(set_, upload);
  });
}

void LargeUploads::finish() {
  std::vector<JournaledUpload> left;
  {
    std::lock_guard lock(mutex_);
    if (!journal_) return;
  }
  use_journal([&](UploadJournal& journal) {
    left = journal.take_all(set_);
    std::erase_if(left, [&](const JournaledUpload& row) { return ours_.contains(row.temporary); });
  });
  for (const JournaledUpload& row : left) writer_.remove_temporary(row.temporary);
}

LargeUploads::WentOn LargeUploads::went_on() {
  std::lock_guard lock(mutex_);
  return went_on_;
}

// --- one of them

LargeUpload::LargeUpload(LargeUploads& all, std::unique_ptr<Upload> upload, JournaledUpload row)
    : all_(all), upload_(std::move(upload)), row_(std::move(row)), look_at_(kNoteEvery) {}

LargeUpload::~LargeUpload() {
  if (upload_) note();
}

void LargeUpload::discard() {
  upload_->discard();
  upload_.reset();  // so that it is not noted either
}

void LargeUpload::write(ByteView bytes) {
  upload_->write(bytes);
  written_ += bytes.size();
  if (written_ < look_at_) return;
  look_at_ = written_ + kNoteEvery;
  note();
}

/// Notes how far it has come, where that is news.
void LargeUpload::note() {
  const std::uint64_t confirmed = upload_->confirmed();
  if (!LargeUploads::is_large(row_.size) || confirmed <= row_.confirmed) return;
  row_.confirmed = confirmed;
  row_.noted = now().seconds;
  all_.note(row_);
  upload_->keep();
}

}  // namespace reverse
