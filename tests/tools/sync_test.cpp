#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "tests/tools/workplace.h"
#include "tools/reverse-snapshot/command.h"
#include "tools/reverse-sync/command.h"
#include "tools/reverse-verify/command.h"

using Catch::Matchers::Contains;

namespace reverse {
namespace {

namespace fs = std::filesystem;

/// Two revisions of a small tree, and a place for a copy.
struct Copying : Workplace {
  Copying() {
    write_small_tree();
    REQUIRE(backup({"--time", "2014-01-20 12:00", "--label", "home"}).code == 0);
    source.write("d.txt", "new");
    REQUIRE(backup({"--time", "2014-01-21 12:00", "--label", "home"}).code == 0);
  }
  ToolRun sync(Words words) {
    words.push_back(repo());
    words.push_back(copy());
    return harness.run(sync_tool(), words);
  }
  nlohmann::json summary_of_sync(Words words) {
    words.insert(words.begin(), "--json");
    const ToolRun run = sync(words);
    INFO(run.err);
    return json_lines(run.out).back();
  }
  std::string copy() const { return harness / "copy"; }
};

}  // namespace

TEST_CASE("sync says what became of each revision, and what there was to do", "[tools][sync]") {
  Copying f;
  const ToolRun run = f.sync({});
  CHECK(run.code == 0);
  const Words lines = lines_of(run.out);
  REQUIRE(lines.size() == 3);
  CHECK_THAT(lines[0], Contains("desk/home/20140120T") && Contains("  copied  "));
  CHECK_THAT(lines[2], Contains("2 revisions copied · "));
  CHECK_THAT(f.sync({}).out, Contains("0 revisions copied, 2 there already · 0 objects"));
}

TEST_CASE("sync -q says nothing when all is well", "[tools][sync]") {
  Copying f;
  const ToolRun run = f.sync({"-q"});
  CHECK(run.code == 0);
  CHECK(run.out + run.err == "");
  CHECK(f.harness.run(verify_tool(), {"-q", f.copy()}).code == 0);
}

TEST_CASE("sync -n tells the plan of the run that follows, and makes nothing", "[tools][sync]") {
  Copying f;
  nlohmann::json plan = f.summary_of_sync({"-n"});
  CHECK_FALSE(fs::exists(f.copy()));
  nlohmann::json run = f.summary_of_sync({});
  CHECK(plan["dry_run"] == true);
  CHECK(run["revisions_copied"] == 2);
  for (nlohmann::json* summary : {&plan, &run}) {
    summary->erase("dry_run");
    summary->erase("total_duration");
  }
  CHECK(plan == run);
}

TEST_CASE("sync takes revisions, and what they may be told by", "[tools][sync]") {
  Copying f;
  CHECK(f.summary_of_sync({"-n", "--latest", "1"})["revisions_copied"] == 1);
  CHECK(f.summary_of_sync({"-n", "--since", "2014-01-21"})["revisions_copied"] == 1);
  CHECK(f.summary_of_sync({"-n", "--set", "laptop/*"})["revisions_copied"] == 0);
  CHECK_THAT(f.sync({"-q", "--set", "laptop/*"}).err,
             Contains("warning: ") && Contains("no revision fits --set, --host and --tag"));
  const ToolRun run = f.harness.run(sync_tool(), {f.repo(), f.copy(), "desk/home@2014-01-20"});
  CHECK_THAT(run.out, Contains("1 revision copied"));
  CHECK(f.sync({"-q", "--host", "desk", "--since", "2015-01-01"}).err == "");
  CHECK(f.harness.run(sync_tool(), {f.repo(), f.copy(), "latest:c.txt"}).code == 2);
}

TEST_CASE("sync names what is damaged, copies the rest and ends with code 4", "[tools][sync]") {
  Copying f;
  for (const auto& entry : fs::recursive_directory_iterator(f.repo() + "/objects"))
    if (entry.is_regular_file() && entry.file_size() == 3) {
      fs::permissions(entry.path(), fs::perms{0644});
      write_file(entry.path(), "old", 0644);
    }
  const ToolRun run = f.sync({});
  CHECK(run.code == 4);
  CHECK_THAT(run.err, Contains(":d.txt: ") && Contains("is damaged"));
  CHECK_THAT(run.out, Contains("1 revision copied, 1 damaged"));
}

TEST_CASE("sync makes no copy inside a repository", "[tools][sync]") {
  Copying f;
  const ToolRun inside = f.harness.run(sync_tool(), {f.repo(), f.repo() + "/objects/copy"});
  CHECK(inside.code == 2);
  CHECK_THAT(inside.err, Contains("DST lies in SRC"));
  REQUIRE(f.sync({}).code == 0);
  const ToolRun other = f.harness.run(sync_tool(), {f.repo(), f.copy() + "/tmp/another"});
  CHECK(other.code == 2);
  CHECK_THAT(other.err, Contains("it lies in the one at '" + f.copy() + "'"));
  CHECK_FALSE(fs::exists(f.copy() + "/tmp/another"));
}

TEST_CASE("bad values are named before anything is made", "[tools][sync]") {
  Copying f;
  CHECK_THAT(f.sync({"--latest", "0"}).err, Contains("--latest: at least one"));
  CHECK_THAT(f.sync({"--missing-from", f.harness / "none"}).err, Contains("--missing-from: open '"));
  CHECK_FALSE(fs::exists(f.copy()));
}

TEST_CASE("a disk has the digest of the repository that it is carried to", "[tools][sync]") {
  Copying f;
  const std::string far = f.harness / "far", list = f.harness / "far.inv";
  REQUIRE(f.harness.run(sync_tool(), {"--latest", "1", "--digest", "sha256", f.repo(), far}).code == 0);
  write_file(list, f.harness.run(inventory_tool(), {far}).out, 0644);
  CHECK_THAT(f.sync({"--digest", "md5", "--missing-from", list}).err,
             Contains("lists a repository with sha256, and DST has md5"));
  CHECK_FALSE(fs::exists(f.copy()));
  REQUIRE(f.sync({"--missing-from", list}).code == 0);
  CHECK_THAT(f.harness.run(sync_tool(), {f.copy(), far}).out, Contains("1 revision copied"));
  CHECK(f.harness.run(verify_tool(), {"-q", far}).code == 0);
}

TEST_CASE("a list that is no inventory is refused by its line", "[tools][sync]") {
  Copying f;
  const std::string list = f.harness / "far.inv";
  write_file(list, "# far\ndesk/home/20140120T110000Z-00000000\nnonsense\n", 0644);
  const ToolRun run = f.sync({"--missing-from", list});
  CHECK(run.code == 2);
  CHECK_THAT(run.err, Contains("far.inv', line 3: neither an object nor a revision"));
}

}  // namespace reverse
