#pragma once

#include "libcore/cli/tool.h"

namespace reverse {

/// reverse-backup: manual.md beside this file.
const ToolSpec& backup_tool();

}  // namespace reverse
