#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "tests/tools/workplace.h"
#include "tools/reverse-gc/command.h"

using Catch::Matchers::Contains;

namespace reverse {
namespace {

namespace fs = std::filesystem;

/// Three revisions of a tree of which one file is replaced each time, on three days.
struct Days : Workplace {
  Days() {
    for (int i = 0; i < 30; ++i)
      source.write("same/f" + std::to_string(i), "f" + std::to_string(i));
    for (int day = 20; day < 23; ++day) {
      source.write("own", "content of day " + std::to_string(day));
      const ToolRun run = backup({"--time", fmt::format("2014-01-{} 12:00", day), "--label", "home",
                                  "--tag", "d" + std::to_string(day), "--json"});
      REQUIRE(run.code == 0);
      revisions.push_back(json_lines(run.out).back()["revision"]);
    }
  }
  ToolRun gc(Words words) {
    words.push_back(repo());
    return harness.run(gc_tool(), words);
  }
  nlohmann::json summary_of_gc(Words words) {
    words.insert(words.begin(), "--json");
    const ToolRun run = gc(words);
    INFO(run.err);
    const auto objects = json_lines(run.out);
    REQUIRE(!objects.empty());
    return objects.back();
  }
  bool is_there(int i) const { return fs::exists(repo() + "/manifests/" + revisions[i] + ".yaml"); }
  bool is_marked(int i) const { return fs::exists(repo() + "/forgotten/" + revisions[i]); }

  Words revisions;
};

/// All files of a repository with their times.
std::map<std::string, fs::file_time_type> files_of(const std::string& root) {
  std::map<std::string, fs::file_time_type> files;
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (entry.is_regular_file()) files[entry.path()] = entry.last_write_time();
  return files;
}

}  // namespace

TEST_CASE(
    "gc lists each revision with the rules that keep it, marks the rest and frees nothing yet",
    "[tools][gc]") {
  Days f;
  const ToolRun run = f.gc({"--keep-last", "1", "--keep-tag", "d21,d21"});
  CHECK(run.code == 0);
  CHECK(run.err.empty());
  const Words lines = lines_of(run.out);
  REQUIRE(lines.size() == 7);
  CHECK(lines[0] == "forget  " + f.revisions[0]);
  CHECK(lines[1] == "keep    " + f.revisions[1] + "  tag d21,d21");
  CHECK(lines[2] == "keep    " + f.revisions[2] + "  last");
  CHECK_THAT(lines[3],
             Contains("3 revisions stay; 1 of them forgotten, and the first can go from"));
  CHECK(lines[6] == "the gate stayed open");
  CHECK(f.is_marked(0));
  CHECK_FALSE(f.is_marked(1));
  CHECK(f.is_there(0));
  CHECK_THAT(f.gc({"--keep-last", "2"}).out,
             Contains("forget  " + f.revisions[0] + "  forgotten since 2"));
}

TEST_CASE("gc -q says nothing, whatever it does", "[tools][gc]") {
  Days f;
  const ToolRun run = f.gc({"-q", "--keep-last", "1", "--grace", "0"});
  CHECK(run.code == 0);
  CHECK(run.out.empty());
  CHECK(run.err.empty());
  CHECK_FALSE(f.is_there(0));
  CHECK(f.is_there(2));
}

TEST_CASE("without rules gc forgets nothing", "[tools][gc]") {
  Days f;
  const ToolRun run = f.gc({"--grace", "0"});
  CHECK(run.code == 0);
  CHECK_THAT(run.out, Contains("3 revisions stay\n0 objects taken out"));
  CHECK(f.is_there(0));
  CHECK(f.gc({"--keep-last", "0"}).code == 0);
  CHECK_FALSE(f.is_marked(0));
}

TEST_CASE("gc -n tells the plan of the run that follows, and changes nothing", "[tools][gc]") {
  Days f;
  const Words grace =
      GENERATE(Words{}, Words{"--grace", "0"}, Words{"--grace", "0", "--trash", "1d"});
  Words words{"--keep-last", "1"};
  words.insert(words.end(), grace.begin(), grace.end());
  const auto before = files_of(f.repo());
  Words dry = words;
  dry.push_back("-n");
  nlohmann::json plan = f.summary_of_gc(dry);
  CHECK(files_of(f.repo()) == before);
  const nlohmann::json run = f.summary_of_gc(words);
  CHECK(plan["dry_run"] == true);
  plan["dry_run"] = false;
  for (const char* time : {"next_expiry", "trash_until"}) {
    CHECK(plan.contains(time) == run.contains(time));
    if (run.contains(time)) plan[time] = run[time];
  }
  CHECK(plan == run);
}

TEST_CASE("with a grace of 0 one run frees the space, and says how much", "[tools][gc]") {
  Days f;
  const nlohmann::json summary = f.summary_of_gc({"--keep-last", "1", "--grace", "0"});
  CHECK(summary["exit_code"] == 0);
  CHECK(summary["forgotten"] == 2);
  CHECK(summary["gone"] == nlohmann::json({f.revisions[0], f.revisions[1]}));
  CHECK(summary["revisions"] == 1);
  CHECK(summary["taken_out"] == summary["deleted"]);
  CHECK(summary["deleted"] >= 2);
  CHECK(summary["bytes_freed"] >= 2 * 17);
  CHECK(summary["put_back"] == 0);
  CHECK(summary["in_trash"] == 0);
  CHECK(summary["bytes_in_trash"] == 0);
  CHECK(summary["gate_closed"] == true);
  CHECK(fs::is_empty(f.repo() + "/trash"));
  CHECK(f.restore({"-t", f.target(), "latest"}).code == 0);
}

TEST_CASE("what waits in the trash, and until when, is told", "[tools][gc]") {
  Days f;
  const ToolRun run = f.gc({"--keep-last", "1", "--grace", "0", "--trash", "2d"});
  CHECK_THAT(run.out, Contains("gone    " + f.revisions[0]));
  CHECK_THAT(run.out, Contains(") taken out, 0 put back, 0 objects deleted\nin the trash: "));
  CHECK_THAT(run.out, Contains("), until 2"));
  CHECK_THAT(run.out, Contains("the gate was closed: backups under way check once more"));
}

TEST_CASE("gc --json: a line for each revision, and the documented summary", "[tools][gc]") {
  Days f;
  f.gc({"--keep-last", "2"});
  const ToolRun run = f.gc({"--json", "--keep-last", "1"});
  const auto objects = json_lines(run.out);
  REQUIRE(objects.size() == 4);
  CHECK(objects[0]["message_type"] == "retention");
  CHECK(objects[0]["revision"] == f.revisions[1]);
  CHECK(objects[0]["action"] == "forget");
  CHECK(objects[1]["action"] == "keep");
  CHECK(objects[1]["reasons"] == nlohmann::json({"last"}));
  CHECK(objects[2]["revision"] == f.revisions[0]);
  CHECK(objects[2].contains("forgotten_since"));
  for (const char* field : {"forgotten", "taken_out", "put_back", "deleted", "bytes_freed",
                            "bytes_in_trash", "gate_closed", "waiting", "next_expiry"})
    CHECK(objects[3].contains(field));
}

TEST_CASE("guards of gc refuse with exit 5, name what to add, and change nothing", "[tools][gc]") {
  Days f;
  f.source.write("own", "other");
  REQUIRE(f.backup({"--label", "mail", "--tag", "keep"}).code == 0);
  const auto before = files_of(f.repo());
  const ToolRun last = f.gc({"--keep-tag", "keep", "--grace", "0"});
  CHECK(last.code == 5);
  CHECK_THAT(last.err, Contains("desk/home") && Contains("--allow last"));
  const ToolRun all = f.gc({"--keep-tag", "none", "--allow", "last", "--grace", "0"});
  CHECK(all.code == 5);
  CHECK_THAT(all.err, Contains("--allow mass-gc"));
  CHECK(files_of(f.repo()) == before);
  CHECK(f.gc({"--keep-tag", "none", "--allow", "last,mass-gc", "--grace", "0"}).code == 0);
  CHECK(fs::is_empty(f.repo() + "/manifests"));
}

TEST_CASE("a manifest that cannot be read ends gc with exit 4 and nothing moved", "[tools][gc]") {
  Days f;
  const std::string head = f.repo() + "/manifests/" + f.revisions[1] + ".yaml";
  fs::permissions(head, fs::perms::owner_write, fs::perm_options::add);
  write_file(head, read_file(head).substr(0, 200));
  const auto before = files_of(f.repo());
  for (const Words& words : {Words{"--keep-last", "1", "--grace", "0"}, Words{"--grace", "0"}}) {
    const ToolRun run = f.gc(words);
    CHECK(run.code == 4);
    CHECK_THAT(run.err, Contains(f.revisions[1]));
    CHECK(files_of(f.repo()) == before);
  }
}

TEST_CASE("gc refuses what it does not understand before it looks at the repository",
          "[tools][gc]") {
  Days f;
  for (const Words& words :
       {Words{"--keep-daily", "x"}, Words{"--keep-daily", "-1"}, Words{"--keep-within", "0"},
        Words{"--keep-within", "1q"}, Words{"--grace", "1m"}, Words{"--keep-tag", "a,,b"},
        Words{"--group-by", "path"}, Words{"--set", "*"}, Words{"extra"}}) {
    INFO(words.front());
    const ToolRun run = f.gc(words);
    CHECK(run.code == 2);
  }
  CHECK(f.harness.run(gc_tool(), {f.harness / "nothing"}).code == 10);
}

TEST_CASE("rules of gc act on the sets that are left, or on those of a host together",
          "[tools][gc]") {
  Days f;
  REQUIRE(f.backup({"--label", "mail", "--time", "2014-01-01"}).code == 0);
  CHECK(f.summary_of_gc({"-n", "--set", "*/mail", "--keep-last", "1"})["forgotten"] == 0);
  CHECK(f.summary_of_gc({"-n", "--keep-last", "1"})["forgotten"] == 2);
  CHECK(f.gc({"-n", "--group-by", "host", "--keep-last", "1"}).code == 5);
  CHECK(f.summary_of_gc(
            {"-n", "--group-by", "none", "--keep-last", "1", "--allow", "last"})["forgotten"] == 3);
  CHECK(f.summary_of_gc({"-n", "--keep-yearly", "unlimited"})["forgotten"] == 1);
}

TEST_CASE("forget marks the revisions that are named, unforget takes that back", "[tools][gc]") {
  Days f;
  const ToolRun dry = f.reverse({"forget", "-n", f.repo(), "desk/home~2"});
  CHECK(dry.out == f.revisions[0] + "  would be forgotten\n");
  CHECK_FALSE(f.is_marked(0));
  const ToolRun run = f.reverse({"forget", f.repo(), "desk/home~2", "desk/home@2014-01-20"});
  CHECK(run.code == 0);
  CHECK(run.out == f.revisions[0] + "  forgotten\n");
  CHECK_THAT(run.err, Contains("reverse unforget"));
  CHECK(f.is_marked(0));
  CHECK(f.reverse({"forget", f.repo(), "desk/home~2"}).out ==
        f.revisions[0] + "  is forgotten already\n");
  CHECK(f.reverse({"unforget", "-n", f.repo(), "desk/home~2"}).out ==
        f.revisions[0] + "  would be kept\n");
  CHECK(f.is_marked(0));
  CHECK(f.reverse({"unforget", "-q", f.repo(), "desk/home~2"}).out.empty());
  CHECK_FALSE(f.is_marked(0));
  CHECK(f.reverse({"unforget", f.repo(), "desk/home~2"}).code == 0);
}

TEST_CASE("forget finds all revisions before it marks one, and leaves one of each set",
          "[tools][gc]") {
  Days f;
  CHECK(f.reverse({"forget", f.repo(), "desk/home~2", "desk/home~7"}).code == 1);
  CHECK(f.reverse({"forget", f.repo(), "desk/home~2:same"}).code == 2);
  CHECK(f.reverse({"forget", f.repo()}).code == 2);
  const ToolRun all = f.reverse({"forget", f.repo(), "desk/home", "desk/home~1", "desk/home~2"});
  CHECK(all.code == 5);
  CHECK_THAT(all.err, Contains("--allow last"));
  CHECK(!fs::exists(f.repo() + "/forgotten/desk"));
  CHECK(
      f.reverse({"forget", "--allow", "last", f.repo(), "desk/home", "desk/home~1", "desk/home~2"})
          .code == 0);
}

TEST_CASE("forget --json tells of each revision whether it was changed", "[tools][gc]") {
  Days f;
  f.reverse({"forget", f.repo(), "desk/home~2"});
  const ToolRun run = f.reverse({"forget", "--json", f.repo(), "desk/home~2", "desk/home~1"});
  CHECK(run.err.empty());
  const auto objects = json_lines(run.out);
  REQUIRE(objects.size() == 3);
  CHECK(objects[0]["revision"] == f.revisions[0]);
  CHECK(objects[0]["changed"] == false);
  CHECK(objects[1]["action"] == "forget");
  CHECK(objects[1]["changed"] == true);
  CHECK(objects[2]["changed"] == 1);
  CHECK(objects[2]["exit_code"] == 0);
}

}  // namespace reverse
