#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/layout.h"
#include "tests/tools/workplace.h"
#include "tools/reverse-verify/command.h"

using Catch::Matchers::Contains;

namespace reverse {
namespace {

namespace fs = std::filesystem;

std::string object_of(const std::string& content) {
  return to_string(ObjectName{hash_bytes(DigestKind::md5, content).digest, std::nullopt});
}

/// A small tree in a repository, of which docs/a.txt has rotted.
struct Damaged : Workplace {
  Damaged() {
    write_small_tree();
    const ToolRun run = backup({"--json"});
    REQUIRE(run.code == 0);
    fs::copy(repo(), harness / "copy", fs::copy_options::recursive);
    spoil("alpha\n", "aloha\n");
  }
  std::string path_of(const std::string& content) const {
    return repo() + "/objects/" + object_of(content).substr(0, 2) + "/" + object_of(content);
  }
  void spoil(const std::string& content, const std::string& other) const {
    fs::remove(path_of(content));
    write_file(path_of(content), other, 0444);
  }
  ToolRun verify(Words words) {
    words.push_back(repo());
    return harness.run(verify_tool(), words);
  }
  const std::string alpha = object_of("alpha\n");
};

TEST_CASE("--heal-from heals from a tree, says from where, and exits 0", "[tools][verify]") {
  Damaged f;
  const ToolRun plan = f.verify({"-n", "--heal-from", f.source.path()});
  CHECK(plan.code == 4);
  CHECK_THAT(plan.out, Contains("nothing was changed; without -n: healed 1 object"));
  const ToolRun run = f.verify({"--heal-from", f.source.path()});
  CHECK(run.code == 0);
  CHECK(lines_of(run.out)[1] ==
        "healed      " + f.alpha + "  from '" + f.source.path() + "/docs/a.txt'");
  CHECK(lines_of(run.out).back() == "healed 1 object (6 B)");
  const ToolRun again = f.verify({"-q"});
  CHECK(again.code == 0);
  CHECK(again.out.empty());
}

TEST_CASE("--heal-from heals from a repository, and tells what nobody has", "[tools][verify]") {
  Damaged f;
  fs::remove(f.path_of("gamma\n"));
  fs::remove(f.harness / "copy/objects/" + object_of("gamma\n").substr(0, 2) + "/" +
             object_of("gamma\n"));
  const ToolRun run = f.verify({"--json", "--heal-from", f.harness / "copy"});
  CHECK(run.code == 4);
  const auto lines = json_lines(run.out);
  REQUIRE(lines.size() == 5);
  CHECK(lines[2]["message_type"] == "repair");
  CHECK(lines[2]["action"] == "healed");
  CHECK(lines[2]["object"] == f.alpha);
  CHECK(lines[3]["action"] == "lost");
  CHECK(lines[3]["object"] == object_of("gamma\n"));
  CHECK(lines[4]["objects_healed"] == 1);
  CHECK(lines[4]["objects_left_damaged"] == 1);
  CHECK(lines[4]["exit_code"] == 4);

  const std::string losses = f.harness / "losses";
  write_file(losses, object_of("gamma\n") + "\n");
  CHECK(f.verify({"--accept-loss", losses, "--heal-from", f.harness / "copy"}).code == 0);
}

TEST_CASE("--quarantine takes damage out, and an unchanged backup heals it", "[tools][verify]") {
  Damaged f;
  const ToolRun run = f.verify({"--quarantine"});
  CHECK(run.code == 4);
  CHECK(lines_of(run.out)[1] ==
        "taken out   " + f.alpha + "  to '" + f.repo() + "/bad'");
  CHECK_THAT(run.out, Contains("taken out 1 object; 1 object still damaged or missing"));
  CHECK(f.restore({"latest", "-t", f.target()}).code == 4);
  CHECK_FALSE(fs::exists(f.target() + "/docs/a.txt"));
  CHECK(f.backup().code == 0);
  CHECK(f.verify({"-q"}).code == 0);
}

TEST_CASE("--quarantine of much at once is refused, and what was found is told all the same",
          "[tools][verify]") {
  Damaged f;
  f.spoil("gamma\n", "damma\n");
  const ToolRun refused = f.verify({"--quarantine"});
  CHECK(refused.code == 5);
  CHECK_THAT(refused.err, Contains("--allow mass-damage"));
  CHECK_THAT(refused.out, Contains("2 objects damaged or missing, 2 names affected"));
  CHECK(fs::exists(f.path_of("gamma\n")));
  CHECK(f.verify({"--quarantine", "--allow", "mass-damage"}).code == 4);
  CHECK_FALSE(fs::exists(f.path_of("gamma\n")));
  CHECK(f.verify({"-q", "--heal-from", f.source.path()}).code == 0);
}

TEST_CASE("a source that is none is refused before anything is read", "[tools][verify]") {
  Damaged f;
  CHECK(f.verify({"--heal-from", f.harness / "nothing"}).code == 1);
  CHECK(f.verify({"--heal-from", f.repo()}).code == 2);
  CHECK(f.verify({"--heal-from", f.repo() + "/."}).code == 2);
  CHECK(f.verify({"--heal-from", "nowhere"}).code == 2);
}

}  // namespace
}  // namespace reverse
