#pragma once

#include <cstdint>
#include <string>

#include "libcore/base/bytes.h"
#include "libcore/store/entry.h"

namespace reverse {

/// One member of an archive, content aside.
struct TarMember {
  const Entry& entry;
  std::string name;          ///< in the archive; raw bytes
  std::string hardlink = {}; ///< name of the member that it is a link to; "" if it is none
  std::uint32_t mode = 0;    ///< permission bits
  bool numeric_ids = false;  ///< without names of owners
  const Xattrs& xattrs;
};

/// Writes a tar archive: ustar headers (POSIX.1-2001), with pax records before them for what those
/// do not hold: long names, sizes from 8 GiB on, fractions of a second, attributes (SCHILY.xattr.,
/// which GNU tar and bsdtar know). One thread at a time.
class TarWriter {
 public:
  explicit TarWriter(ByteSink& sink) : sink_(sink) {}

  /// Begins a member. A file's content follows by `content`, exactly `entry.size` bytes of it, and
  /// `end_content`.
  void member(const TarMember& member);
  void content(ByteView bytes);
  void end_content();
  /// Ends the archive.
  void finish();

 private:
  void write(ByteView bytes);
  void pad(std::uint64_t unit);

  ByteSink& sink_;
  std::uint64_t size_ = 0;  // bytes so far
};

}  // namespace reverse
