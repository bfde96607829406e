#include "tools/reverse-snapshot/command.h"

namespace reverse {

namespace {

Verb verb(const ToolSpec& spec, const char* name) {
  return {name, spec.summary, [&spec](auto args, ToolIo& io) { return tool_main(spec, args, io); }};
}

Verb later(const char* name, const char* summary) {
  return {name, summary, nullptr};
}

}  // namespace

const ToolGroup& snapshot_tools() {
  static const ToolGroup group{
      "reverse-snapshot",
      "Looks at the revisions of a repository.",
      {"VERB [OPTIONS] REPO ..."},
      {verb(init_tool(), "init"), verb(list_tool(), "list"), verb(show_tool(), "show"),
       verb(ls_tool(), "ls"), verb(cat_tool(), "cat"),
       later("find", "finds names and contents in all revisions"),
       verb(diff_tool(), "diff"), later("stats", "tells what takes how much space"),
       later("inventory", "lists the objects of a repository"),
       later("view", "shows a revision as a tree of hard links"), verb(forget_tool(), "forget"),
       verb(unforget_tool(), "unforget")}};
  return group;
}

}  // namespace reverse
