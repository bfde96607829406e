#pragma once

#include <cstdint>

#include "libcore/backend/backend.h"

namespace reverse {

/// Backends whose directories can be given other permission bits are of this class as well.
class DirectoryModes {
 public:
  virtual ~DirectoryModes() = default;

  /// Throws what `Backend` does.
  virtual void set_mode(const RepoPath& directory, std::uint32_t mode) = 0;
};

}  // namespace reverse
