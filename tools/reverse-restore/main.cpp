#include "libcore/cli/run_main.h"
#include "tools/reverse-restore/command.h"

int main(int argc, char** argv) {
  return reverse::run_main(argc, argv, [](auto args, reverse::ToolIo& io) {
    return reverse::tool_main(reverse::restore_tool(), args, io);
  });
}
