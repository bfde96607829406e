#include "libcore/cli/run_main.h"
#include "tools/reverse/command.h"

int main(int argc, char** argv) {
  return reverse::run_main(argc, argv, [](auto args, reverse::ToolIo& io) {
    return reverse::group_main(reverse::front_door(), args, io);
  });
}
