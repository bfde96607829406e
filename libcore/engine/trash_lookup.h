#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "libcore/store/content_key.h"
#include "libcore/store/repository.h"

namespace reverse {

/// What a writer misses and gc has taken out: put back, it need not be uploaded again. The trash is
/// listed once, when something is first missed; what is taken out later is uploaded. Thread-safe.
class TrashLookup {
 public:
  /// `repository` must outlive it. Of a trash that holds more than `max_objects`, only so many are
  /// known: 40 bytes each stay in memory.
  explicit TrashLookup(const Repository& repository, std::size_t max_objects = 1 << 20)
      : repository_(repository), max_objects_(max_objects) {}

  /// Moves a whole object of that name back to objects/. Returns the sums of its content; nullopt
  /// if there was none, or its name in objects/ is taken by now.
  std::optional<Sums> put_back(const ObjectName& name);

 private:
  struct Object {
    ContentKey key;
    std::uint32_t run = 0;  // index into `runs_`
    auto operator<=>(const Object&) const = default;
  };
  void list();

  const Repository& repository_;
  const std::size_t max_objects_;
  std::once_flag listed_;  // what follows does not change after
  std::vector<std::string> runs_;
  std::vector<Object> objects_;  // sorted
};

}  // namespace reverse
