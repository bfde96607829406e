#include "libcore/cli/run_main.h"
#include "tools/reverse-sync/command.h"

int main(int argc, char** argv) {
  return reverse::run_main(argc, argv, [](auto args, reverse::ToolIo& io) {
    return reverse::tool_main(reverse::sync_tool(), args, io);
  });
}
