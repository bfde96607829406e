#include "libcore/engine/object_inventory.h"

#include "libcore/base/stop.h"
#include "libcore/cli/repository_access.h"
#include "tools/reverse-snapshot/command.h"

namespace reverse {

namespace {

JsonLine line_json(std::string_view line) {
  if (line.starts_with('#'))
    return std::move(JsonLine("repository").add("id", line.substr(line.rfind(' ') + 1)));
  const char* what = line.find('/') == std::string_view::npos ? "object" : "revision";
  return std::move(JsonLine("inventory").add(what, line));
}

class InventoryCommand : public Command {
 public:
  void declare_options(OptionSet&) override {}

  ExitCode execute(Invocation& call) override {
    ReadAccess access = open_for_reading(take_repository(call, RepositoryPlace::first, 0), call);
    if (!call.operands.empty()) fail(ErrorKind::usage, "one REPO is enough");
    write_inventory(access.repository, [&](std::string_view line) {
      throw_if_stopped(call.io.stop);
      call.output.json() ? call.output.result(line_json(line)) : call.output.result(line);
    });
    if (call.output.json()) call.output.result(JsonLine("summary").add("exit_code", 0));
    return ExitCode::ok;
  }
};

}  // namespace

const ToolSpec& inventory_tool() {
  static const ToolSpec spec{
      "reverse-snapshot inventory",
      {"[OPTIONS] REPO"},
      "Lists the objects and revisions of a repository, sorted.",
      {{"reverse inventory /mnt/disk/backup > /tmp/far.txt", "for reverse-sync --missing-from"},
       {"reverse inventory /mnt/disk/backup | LC_ALL=C comm -13 - /tmp/far.txt",
        "what the other one has and this one has not"}},
      {},
      [] { return std::make_unique<InventoryCommand>(); }};
  return spec;
}

}  // namespace reverse
