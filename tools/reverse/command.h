#pragma once

#include "libcore/cli/tool.h"

namespace reverse {

/// reverse: every other tool as a word, and a backup where no word is given; manual.md beside this
/// file.
const ToolGroup& front_door();

}  // namespace reverse
