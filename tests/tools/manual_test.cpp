#include <catch2/catch.hpp>
#include <map>

#include "libcore/base/fd.h"
#include "tests/support/tools/manual_check.h"
#include "tests/tools/workplace.h"
#include "tools/reverse-backup/command.h"
#include "tools/reverse-gc/command.h"
#include "tools/reverse-restore/command.h"
#include "tools/reverse-snapshot/command.h"
#include "tools/reverse-sync/command.h"
#include "tools/reverse-verify/command.h"
#include "tools/reverse/command.h"

using Catch::Matchers::Contains;

namespace reverse {
namespace {

std::string read_manual(const std::string& tool) {
  return read_file(std::string(REVERSE_SOURCE_DIR "/tools/") + tool + "/manual.md");
}

// Read before main gives up its rights: a checkout may lie where only root can look.
const std::map<std::string, std::string> manuals{
    {"reverse-backup", read_manual("reverse-backup")},
    {"reverse-gc", read_manual("reverse-gc")},
    {"reverse-restore", read_manual("reverse-restore")},
    {"reverse-snapshot", read_manual("reverse-snapshot")},
    {"reverse-sync", read_manual("reverse-sync")},
    {"reverse-verify", read_manual("reverse-verify")},
    {"reverse", read_manual("reverse")}};

const std::vector<const ToolSpec*>& snapshot_verbs() {
  static const std::vector<const ToolSpec*> verbs{&init_tool(),    &list_tool(), &show_tool(),
                                                  &ls_tool(), &cat_tool(), &find_tool(), &diff_tool(), &stats_tool(), &inventory_tool(), &view_tool(), &forget_tool(),
                                                  &unforget_tool()};
  return verbs;
}

}  // namespace

TEST_CASE("manuals and tools know the same options", "[tools]") {
  CHECK(manual_differences(manuals.at("reverse-backup"), {&backup_tool()}) == Words{});
  CHECK(manual_differences(manuals.at("reverse-gc"), {&gc_tool()}) == Words{});
  CHECK(manual_differences(manuals.at("reverse-restore"), {&restore_tool()}) == Words{});
  CHECK(manual_differences(manuals.at("reverse-snapshot"), snapshot_verbs()) == Words{});
  CHECK(manual_differences(manuals.at("reverse-sync"), {&sync_tool()}) == Words{});
  CHECK(manual_differences(manuals.at("reverse-verify"), {&verify_tool()}) == Words{});
}

TEST_CASE("manuals and tools know the same forms of a call", "[tools]") {
  for (const ToolSpec* tool :
       {&backup_tool(), &gc_tool(), &restore_tool(), &sync_tool(), &verify_tool()})
    for (const std::string& form : tool->synopsis)
      CHECK_THAT(manuals.at(tool->name), Contains("\n" + tool->name + " " + form + "\n"));
  const std::string text = manuals.at("reverse-snapshot");
  for (const Verb& verb : snapshot_tools().verbs) {
    INFO(verb.name);
    CHECK((text.find("\nreverse-snapshot " + verb.name + " ") != std::string::npos) ==
          bool(verb.run));
    if (!verb.run) CHECK_THAT(text, Contains("`" + verb.name + "`"));
  }
}

TEST_CASE("the front door's manual names every verb", "[tools]") {
  const std::string text = manuals.at("reverse");
  for (const Verb& verb : front_door().verbs) {
    INFO(verb.name);
    CHECK((text.find(verb.name) != std::string::npos || !verb.run));
  }
}

TEST_CASE("every tool answers -h, --help and --version on stdout with code 0", "[tools]") {
  Workplace work;
  std::vector<const ToolSpec*> tools = snapshot_verbs();
  tools.insert(tools.end(),
               {&backup_tool(), &gc_tool(), &restore_tool(), &sync_tool(), &verify_tool()});
  for (const ToolSpec* tool : tools) {
    INFO(tool->name);
    const ToolRun brief = work.harness.run(*tool, {"-h"});
    const ToolRun all = work.harness.run(*tool, {"--help"});
    CHECK(brief.code == 0);
    CHECK(all.code == 0);
    CHECK(brief.err + all.err == "");
    CHECK(lines_of(brief.out).size() <= 24);
    CHECK_THAT(all.out, Contains("\nExit codes:\n") && Contains("\nEnvironment:\n"));
    for (const Example& example : tool->examples) CHECK_THAT(brief.out, Contains(example.command));
    CHECK_THAT(work.harness.run(*tool, {"--version"}).out, Contains(std::string(version())));
  }
  CHECK(work.reverse({"--help"}).code == 0);
  CHECK(work.reverse({"list", "--help"}).out == work.harness.run(list_tool(), {"--help"}).out);
}

}  // namespace reverse
