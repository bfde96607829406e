#pragma once

#include "libcore/cli/output.h"
#include "libcore/store/head.h"
#include "libcore/store/marks.h"

namespace reverse {

/// The `revision` object of a head. `mark`, if any: it is forgotten, and gc may remove it.
JsonLine revision_json(const Head& head, const Mark* mark);

}  // namespace reverse
