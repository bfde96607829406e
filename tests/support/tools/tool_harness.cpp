#include "tests/support/tools/tool_harness.h"

namespace reverse {

ToolHarness::ToolHarness() {
  environment["HOME"] = scratch_ / "home";
}

EnvironmentLookup ToolHarness::lookup() const {
  return [this](const std::string& name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  };
}

ToolRun ToolHarness::run(const ToolEntry& tool, const std::vector<std::string>& args) {
  StringOut out, err;
  ToolIo io{out, err, lookup(), stop.get_token()};
  io.in_fd = in_fd;
  io.out_is_terminal = io.err_is_terminal = terminal;
  const int code = tool(args, io);
  return {code, out.text(), err.text()};
}

ToolRun ToolHarness::run(const ToolSpec& tool, const std::vector<std::string>& args) {
  return run([&](auto given, ToolIo& io) { return tool_main(tool, given, io); }, args);
}

ToolRun ToolHarness::run(const ToolGroup& tool, const std::vector<std::string>& args) {
  return run([&](auto given, ToolIo& io) { return group_main(tool, given, io); }, args);
}

}  // namespace reverse
