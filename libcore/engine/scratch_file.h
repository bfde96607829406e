#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "libcore/base/fd.h"

namespace reverse {

/// A file below $TMPDIR or /tmp without a name: it goes with its last byte when the process ends,
/// however that ends. Made when it is first written to. One thread at a time.
class ScratchFile {
 public:
  /// Appends `bytes`; returns where they begin.
  std::uint64_t append(std::string_view bytes);
  /// Fills `to` with the bytes at `offset`. They must have been written.
  void read(std::uint64_t offset, std::span<char> to);
  /// Forgets everything.
  void clear();

 private:
  UniqueFd fd_;
  std::string name_;  // for messages
  std::uint64_t size_ = 0;
};

}  // namespace reverse
