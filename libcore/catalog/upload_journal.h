#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcore/base/timestamp.h"

namespace reverse {

/// The upload of one large content, as far as it has come.
struct JournaledUpload {
  std::string path;  ///< of the source file: absolute; or the object's name, in copies
  /// Of the source file when it was opened; of a copied object only its size.
  std::uint64_t inode = 0, size = 0;
  Timestamp mtime, ctime;
  std::string temporary;        ///< name in the repository's tmp/
  std::uint64_t confirmed = 0;  ///< bytes from the beginning that the repository has told to have
  std::int64_t noted = 0;       ///< when that was: seconds since 1970
};

/// The uploads of large files to one repository that had not ended when they were last heard of, in
/// a file of its own (DIRECTORY/uploads-REPOSITORY-1.sqlite; schema/uploads.sql). A set's rows are
/// for who holds its lock. Thread-safe. Errors and damaged files: as the catalog's.
class UploadJournal {
 public:
  static std::unique_ptr<UploadJournal> open(const std::string& directory,
                                             const std::string& repository_id,
                                             const std::function<void(const std::string&)>& warn);
  virtual ~UploadJournal() = default;

  /// What is known of the file at `path`, backed up in `set` ("HOST/LABEL"), or of an object copied
  /// from the repository with that id.
  virtual std::optional<JournaledUpload> find(const std::string& set, const std::string& path) = 0;
  /// Takes the place of what was known of that file.
  virtual void put(const std::string& set, const JournaledUpload& upload) = 0;
  /// Forgets all of `set`; returns what there was.
  virtual std::vector<JournaledUpload> take_all(const std::string& set) = 0;
};

}  // namespace reverse
