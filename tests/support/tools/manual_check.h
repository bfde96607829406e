#pragma once

#include <string>
#include <vector>

#include "libcore/cli/tool.h"

namespace reverse {

/// What a manual and its tools disagree on, a sentence each; empty if nothing. Every option must be
/// written out in code (`--exclude`, `-e`) somewhere, reserved ones excepted; and what stands in
/// inline code that begins with a dash must be an option. `tools`: those that the manual is for.
std::vector<std::string> manual_differences(const std::string& manual_text,
                                            const std::vector<const ToolSpec*>& tools);

}  // namespace reverse
