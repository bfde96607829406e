#pragma once

#include <stop_token>

#include "libcore/base/error.h"

namespace reverse {

/// Throws `Cancelled` if a stop was requested.
inline void throw_if_stopped(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Cancelled();
}

}  // namespace reverse
