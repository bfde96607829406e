#pragma once

#include <cstdint>
#include <optional>

#include "libcore/backend/backend.h"

namespace reverse {

/// How the objects of a repository are kept from being written to: none can be written or run, and
/// where nobody but the owner of the repository's directory may put anything in it (unlike in
/// append-only ones), all belong to that user, or to the superuser. Whoever changes an object's permissions or owner through a
/// linked view breaks that. Immutable.
class Protection {
 public:
  explicit Protection(Backend& backend);

  /// True if somebody could write to such an object, and may have.
  bool is_broken(const FileStat& object) const;

 private:
  bool keeps_modes_ = true;  // the file system does
  std::optional<std::uint32_t> owner_;
};

}  // namespace reverse
