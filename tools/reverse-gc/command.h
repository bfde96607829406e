#pragma once

#include "libcore/cli/tool.h"

namespace reverse {

/// reverse-gc: manual.md beside this file.
const ToolSpec& gc_tool();

}  // namespace reverse
