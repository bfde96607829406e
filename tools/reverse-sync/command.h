#pragma once

#include "libcore/cli/tool.h"

namespace reverse {

/// reverse-sync: manual.md beside this file.
const ToolSpec& sync_tool();

}  // namespace reverse
