#include "tests/engine/in_memory.h"

#include <unistd.h>

#include <cstdlib>

namespace reverse {

TemporariesInMemory::TemporariesInMemory() : outer_(std::getenv("TMPDIR")) {
  if (::access("/dev/shm", W_OK) == 0) ::setenv("TMPDIR", "/dev/shm", 1);
}

TemporariesInMemory::~TemporariesInMemory() {
  ::setenv("TMPDIR", outer_.c_str(), 1);
}

}  // namespace reverse
