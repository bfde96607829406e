#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace reverse {

/// What was done about one damaged or missing object.
struct Repair {
  enum class Action {
    healed,       ///< a whole copy lies in objects/ again
    quarantined,  ///< the damaged copy was taken out of objects/
    put_back,     ///< it had been taken out, and is whole
    lost,         ///< it was looked for, and nobody has it
  };
  Action action = Action::healed;
  std::string object;      ///< its name in objects/
  std::uint64_t size = 0;  ///< bytes
  std::string place;       ///< where the copy came from or went to, as messages name it; or empty
};

/// Told of each; one thread at a time.
using TellRepair = std::function<void(const Repair&)>;

}  // namespace reverse
