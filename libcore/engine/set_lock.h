#pragma once

#include <string>

#include "libcore/base/fd.h"

namespace reverse {

/// Keeps a second backup of the same set into the same repository from running on this machine. The lock is the kernel's and goes with the
/// process, however that ends.
class SetLock {
 public:
  /// Locks DIRECTORY/running/REPOSITORY-SET. Throws `busy`, naming the process that holds it.
  SetLock(const std::string& directory, const std::string& repository_id, const std::string& set);

 private:
  UniqueFd fd_;
};

}  // namespace reverse
