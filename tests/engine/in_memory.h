#pragma once

#include <string>

namespace reverse {

/// While it lives, temporary directories are made in memory, where there is such a thing.
class TemporariesInMemory {
 public:
  TemporariesInMemory();
  ~TemporariesInMemory();
  TemporariesInMemory(const TemporariesInMemory&) = delete;
  TemporariesInMemory& operator=(const TemporariesInMemory&) = delete;

 private:
  const std::string outer_;
};

/// A `TempDir` or `TempTree` there, for a test that is about no disk and waits for none.
template <typename Directory>
Directory in_memory() {
  const TemporariesInMemory here;
  return Directory();
}

}  // namespace reverse
