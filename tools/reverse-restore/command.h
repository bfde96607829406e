#pragma once

#include "libcore/cli/tool.h"

namespace reverse {

/// reverse-restore: manual.md beside this file.
const ToolSpec& restore_tool();

}  // namespace reverse
