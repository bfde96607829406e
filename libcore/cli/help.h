#pragma once

#include <string>

#include "libcore/cli/tool.h"

namespace reverse {

/// One line for each form of the call: "Usage: NAME SYNOPSIS".
std::string synopsis_text(const std::string& name, const std::vector<std::string>& synopsis);
/// What `-h` prints: a screen with synopsis, the commonest options and the examples.
std::string short_help(const ToolSpec& spec, const std::vector<OptionDoc>& options);
/// What `--help` prints: everything, exit codes and environment included.
std::string full_help(const ToolSpec& spec, const std::vector<OptionDoc>& options);
/// Both of a group: synopsis and verbs.
std::string group_help(const ToolGroup& group);

}  // namespace reverse
