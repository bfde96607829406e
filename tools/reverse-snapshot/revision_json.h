#pragma once

#include "libcore/cli/output.h"
#include "libcore/store/head.h"

namespace reverse {

/// The `revision` object of a head.
JsonLine revision_json(const Head& head);

}  // namespace reverse
