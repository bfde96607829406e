#pragma once

#include "libcore/cli/tool.h"

namespace reverse {

/// reverse-snapshot and its verbs: manual.md beside this file.
const ToolGroup& snapshot_tools();

/// The verbs alone, for the front door and for tests.
const ToolSpec& init_tool();
const ToolSpec& list_tool();
const ToolSpec& show_tool();
const ToolSpec& ls_tool();
const ToolSpec& cat_tool();
const ToolSpec& find_tool();
const ToolSpec& diff_tool();
const ToolSpec& stats_tool();
const ToolSpec& inventory_tool();
const ToolSpec& view_tool();
const ToolSpec& forget_tool();
const ToolSpec& unforget_tool();

}  // namespace reverse
