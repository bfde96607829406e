#pragma once

#include "libcore/cli/tool.h"

namespace reverse {

/// reverse-verify: manual.md beside this file.
const ToolSpec& verify_tool();

}  // namespace reverse
