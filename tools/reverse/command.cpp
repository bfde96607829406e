#include "tools/reverse/command.h"

#include "tools/reverse-backup/command.h"
#include "tools/reverse-gc/command.h"
#include "tools/reverse-restore/command.h"
#include "tools/reverse-snapshot/command.h"
#include "tools/reverse-sync/command.h"
#include "tools/reverse-verify/command.h"

namespace reverse {

namespace {

ToolEntry entry_of(const ToolSpec& spec) {
  return [&spec](auto args, ToolIo& io) { return tool_main(spec, args, io); };
}

ToolGroup make_front_door() {
  ToolGroup group{"reverse",
                  "Backs up trees, and gets them back.",
                  {"SOURCE... REPO", "WORD ..."},
                  {{"backup", backup_tool().summary, entry_of(backup_tool())},
                   {"restore", restore_tool().summary, entry_of(restore_tool())},
                   {"snapshot", snapshot_tools().summary,
                    [](auto args, ToolIo& io) { return group_main(snapshot_tools(), args, io); }},
                   {"verify", verify_tool().summary, entry_of(verify_tool())},
                   {"gc", gc_tool().summary, entry_of(gc_tool())},
                   {"sync", sync_tool().summary, entry_of(sync_tool())}},
                  entry_of(backup_tool())};
  for (const Verb& verb : snapshot_tools().verbs) group.verbs.push_back(verb);
  return group;
}

}  // namespace

const ToolGroup& front_door() {
  static const ToolGroup group = make_front_door();
  return group;
}

}  // namespace reverse
