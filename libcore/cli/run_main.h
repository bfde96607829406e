#pragma once

#include "libcore/cli/tool.h"

namespace reverse {

/// The body of every `main`: gives `entry` the process's streams and environment and turns signals
/// into stops. The first INT, TERM or HUP requests a stop, and once the tool has returned the
/// process dies by that signal; a second one kills at once. Signals that were ignored stay so
/// (nohup). A reader that is gone stops the tool in the same way, and it dies by SIGPIPE. SIGUSR1
/// asks for a line of progress. Returns the exit code. Once per process.
int run_main(int argc, char** argv, const ToolEntry& entry);

}  // namespace reverse
