#pragma once

#include "libcore/backend/backend.h"
#include "libcore/base/error.h"

namespace reverse {

/// Runs `body`, and again whenever a lost connection ended it and could be made anew: `body` finds
/// what was done before and goes on from there.
template <typename Body>
auto with_recovery(Backend& backend, Body body) {
  while (true) {
    try {
      return body();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::network) throw;
      backend.recover(error);
    }
  }
}

}  // namespace reverse
