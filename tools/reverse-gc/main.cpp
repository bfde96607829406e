#include "libcore/cli/run_main.h"
#include "tools/reverse-gc/command.h"

int main(int argc, char** argv) {
  return reverse::run_main(argc, argv, [](auto args, reverse::ToolIo& io) {
    return reverse::tool_main(reverse::gc_tool(), args, io);
  });
}
