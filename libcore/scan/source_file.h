#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "libcore/base/bytes.h"
#include "libcore/base/fd.h"
#include "libcore/scan/source_entry.h"

namespace reverse {

/// Reads one regular file of the source, holes delivered without reading them, and finds out whether it
/// changed meanwhile. One thread at a time.
class SourceFile : public ByteSource {
 public:
  /// Opens `entry` by its directory (O_NOFOLLOW, O_NONBLOCK, O_NOCTTY, O_CLOEXEC, O_NOATIME where allowed). Throws `not_found` (vanished), `changed` if what is there now
  /// is not the file that was walked (device, inode or type differ), or the errno's kind.
  explicit SourceFile(const SourceEntry& entry);

  ByteView next() override;

  /// What `fstat` said when the file was opened.
  const FileStatus& opened() const { return opened_; }
  int fd() const { return fd_.get(); }

  /// After the end of `next`: true if what was delivered may not be one state of the file: size, mtime or ctime differ from those at opening,
  /// other bytes than its size were read, or its ctime falls within the reading (widened by 20 ms).
  /// `stable_identity` false: ctime is not looked at.
  bool changed(bool stable_identity = true);
  /// `fstat` as of `changed`.
  const FileStatus& closed() const { return closed_; }
  /// Goes back to byte 0 to read again, as if opened anew: `opened` is renewed, and so is what `changed` compares with.
  void rewind();

 private:
  void start();
  void make_room(std::uint64_t room);
  void find_extent();
  ByteView next_of_hole() const;
  ByteView next_of_data();

  std::string display_;
  UniqueFd fd_;
  FileStatus opened_, closed_;
  Timestamp reading_since_;
  std::unique_ptr<char[]> buffer_;
  std::uint64_t room_ = 0;        // bytes in buffer_
  std::uint64_t position_ = 0;    // bytes delivered
  std::uint64_t extent_end_ = 0;  // end of the data or hole that position_ lies in
  bool hole_ = false;             // that is a hole
  bool ended_ = false;
};

}  // namespace reverse
