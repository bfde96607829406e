#include "tools/reverse-snapshot/command.h"

namespace reverse {

namespace {

Verb verb(const ToolSpec& spec, const char* name) {
  return {name, spec.summary, [&spec](auto args, ToolIo& io) { return tool_main(spec, args, io); }};
}

}  // namespace

const ToolGroup& snapshot_tools() {
  static const ToolGroup group{
      "reverse-snapshot",
      "Looks at the revisions of a repository.",
      {"VERB [OPTIONS] REPO ..."},
      {verb(init_tool(), "init"), verb(list_tool(), "list"), verb(show_tool(), "show"),
       verb(ls_tool(), "ls"), verb(cat_tool(), "cat"),
       verb(find_tool(), "find"), verb(diff_tool(), "diff"), verb(stats_tool(), "stats"),
       verb(inventory_tool(), "inventory"),
       verb(view_tool(), "view"), verb(forget_tool(), "forget"),
       verb(unforget_tool(), "unforget")}};
  return group;
}

}  // namespace reverse
