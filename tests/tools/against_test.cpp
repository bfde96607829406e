#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/tools/workplace.h"
#include "tools/reverse-verify/command.h"

using Catch::Matchers::Contains;

namespace reverse {
namespace {

/// A small tree in a repository, of which c.txt has rotted since and docs/a.txt was edited.
struct Rotten : Workplace {
  Rotten() {
    write_small_tree();
    REQUIRE(backup().code == 0);
    const std::string file = source / "c.txt";
    const auto time = std::filesystem::last_write_time(file);
    source.write("c.txt", "gamna\n");
    std::filesystem::last_write_time(file, time);
    source.write("docs/a.txt", "alpha, and more\n");
    source.write("docs/new.txt", "new\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ToolRun compare(Words words) {
    words.insert(words.begin(), repo());
    return harness.run(verify_tool(), words);
  }
};

TEST_CASE("--against names rot and changes, and exits 4 for rot alone", "[tools][verify]") {
  Rotten f;
  const ToolRun run = f.compare({"latest", "--against", f.source.path()});
  CHECK(run.code == 4);
  const Words lines = lines_of(run.out);
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] == "rotten      c.txt");
  CHECK(lines[1] == "changed     docs/a.txt");
  CHECK_THAT(lines[2], Contains("compared 2 files"));
  CHECK(lines[3] == "1 changed, 0 missing, 1 new, 0 of another type");
  CHECK_THAT(f.compare({"-v", "latest", "--against", f.source.path()}).out,
             Contains("new         docs/new.txt"));
  CHECK(f.compare({"-q", "latest", "--against", f.source.path()}).out == "rotten      c.txt\n");
  const ToolRun docs = f.compare({"latest:docs", "--against", f.source / "docs"});
  CHECK(docs.code == 0);
  CHECK(lines_of(docs.out)[0] == "changed     docs/a.txt");
}

TEST_CASE("--against --json: rot is damage, the rest is change", "[tools][verify]") {
  Rotten f;
  const auto lines = json_lines(f.compare({"--json", "latest", "--against", f.source.path()}).out);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0]["message_type"] == "damage");
  CHECK(lines[0]["kind"] == "rot");
  CHECK(lines[0]["path"] == "c.txt");
  CHECK(lines[0]["size"] == 6);
  CHECK(lines[1] ==
        nlohmann::json({{"message_type", "change"}, {"path", "docs/a.txt"}, {"modifier", "M"}}));
  CHECK(lines[2]["files_rotten"] == 1);
  CHECK(lines[2]["paths_new"] == 1);
  CHECK(lines[2]["exit_code"] == 4);
}

TEST_CASE("--against wants one revision and one directory, and nothing about objects",
          "[tools][verify]") {
  Rotten f;
  CHECK(f.compare({"--against", f.source.path()}).code == 2);
  CHECK(f.compare({"latest", "latest", "--against", f.source.path()}).code == 2);
  CHECK(f.compare({"latest", "--quick", "--against", f.source.path()}).code == 2);
  CHECK(f.compare({"latest", "--against", "nas:home"}).code == 2);
  CHECK(f.compare({"latest", "--against", f.source / "nowhere"}).code == 1);
  CHECK(f.compare({"latest:c.txt", "--against", f.source.path()}).code == 1);
}

}  // namespace
}  // namespace reverse
