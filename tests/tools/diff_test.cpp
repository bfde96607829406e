#include <catch2/catch.hpp>

#include "tests/tools/workplace.h"

using Catch::Matchers::Contains;

namespace reverse {
namespace {

/// Two revisions of "desk/home" with one change of each sort between them.
struct Changed : Workplace {
  Changed() {
    for (const char* name : {"same", "kept/a", "gone", "content", "mode", "old/moved", "becomes"})
      source.write(name, name);
    source.write("empty", "");
    REQUIRE(backup({"-q", "--label", "home", "--time", "2014-01-05"}).code == 0);
    source.remove("gone");
    source.write("content", "other content");
    source.set_mode("mode", 0600);
    source.rename("old/moved", "new/moved");
    source.remove("becomes");
    source.symlink("same", "becomes");
    source.rename("empty", "void");
    source.write("kept/b", "new\n");
    REQUIRE(backup({"-q", "--label", "home"}).code == 0);
  }
};

}  // namespace

TEST_CASE("diff tells what came, went, changed and moved", "[tools]") {
  Changed work;
  const ToolRun run = work.reverse({"diff", work.repo(), "desk/home~1", "desk/home"});
  CHECK(run.code == 0);
  CHECK(run.err.empty());
  Words lines = lines_of(run.out);
  REQUIRE(lines.size() == 11);
  CHECK(Words(lines.begin(), lines.begin() + 9) ==
        Words{"T  becomes", "M  content", "-  empty", "-  gone", "+  kept/b", "U  mode", "+  new/",
              "R  new/moved  (was old/moved)", "+  void"});
  CHECK(lines[9] == "2 files new, 2 changed, 1 moved, 2 gone, 1 with other metadata");
  CHECK_THAT(lines[10], Contains("directories: 1 new, 0 gone"));
}

TEST_CASE("diff with one revision compares it with the one before", "[tools]") {
  Changed work;
  const ToolRun one = work.reverse({"diff", work.repo(), "latest"});
  CHECK(one.out == work.reverse({"diff", work.repo(), "desk/home~1", "desk/home"}).out);
  CHECK_THAT(one.err, Contains("before it desk/home/201401"));
  const ToolRun first = work.reverse({"diff", work.repo(), "desk/home~1"});
  CHECK(first.code == 1);
  CHECK_THAT(first.err, Contains("there is no revision before desk/home/201401"));
}

TEST_CASE("diff --stat prints numbers only, and nothing differs from itself", "[tools]") {
  Changed work;
  const ToolRun stat = work.reverse({"diff", "--stat", work.repo(), "latest"});
  CHECK(lines_of(stat.out).size() == 2);
  CHECK(work.reverse({"diff", "-q", work.repo(), "latest", "latest"}).out.empty());
}

TEST_CASE("diff --json: a change for each path, and totals", "[tools]") {
  Changed work;
  const auto objects =
      json_lines(work.reverse({"diff", "--json", work.repo(), "desk/home~1", "latest"}).out);
  REQUIRE(objects.size() == 10);
  CHECK(objects[7] == nlohmann::json({{"message_type", "change"},
                                      {"path", "new/moved"},
                                      {"modifier", "R"},
                                      {"moved_from", "old/moved"}}));
  const auto& summary = objects.back();
  CHECK(summary["message_type"] == "summary");
  CHECK(summary["files_moved"] == 1);
  CHECK(summary["dirs_added"] == 1);
  CHECK(summary["bytes_added"] == 13 + 4);
  CHECK(summary["exit_code"] == 0);
}

TEST_CASE("diff takes one or two whole revisions", "[tools]") {
  Changed work;
  CHECK(work.reverse({"diff", work.repo()}).code == 2);
  CHECK(work.reverse({"diff", work.repo(), "latest:kept"}).code == 2);
  CHECK(work.reverse({"diff", work.repo(), "latest", "latest", "latest"}).code == 2);
}

}  // namespace reverse
