#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/engine/client.h"

namespace reverse {

/// One of several that work on a repository at the same time, each by a connection of its own.
struct Actor {
  std::function<void(FaultBackend&)> act;
  std::unique_ptr<FaultBackend> backend;  // of a crashed one too: its temporaries stay
  std::string error;                      // what ended it, `busy` and its own crash excepted
};

/// Runs them all against `site`: a scheduler decides by lot who makes the next calls to the
/// repository, and who dies at which; the same for the same `seed`.
void run_together(std::vector<Actor>& actors, const Site& site, unsigned seed);

}  // namespace reverse
