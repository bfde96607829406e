#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "tests/tools/workplace.h"
#include "tools/reverse-restore/command.h"

using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

namespace reverse {
namespace {

namespace fs = std::filesystem;

/// A workplace with one revision of the small tree.
struct BackedUp : Workplace {
  BackedUp() {
    write_small_tree();
    REQUIRE(backup({"-q"}).code == 0);
  }
  std::string restored(const std::string& name) const { return read_file(target() + "/" + name); }
};

/// The object that holds the only content of `size` bytes that begins with `start`.
std::string object_with(const std::string& repo, const std::string& content) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(repo))
    if (entry.is_regular_file() && read_file(entry.path()) == content) return entry.path();
  return {};
}

}  // namespace

TEST_CASE("-t makes the root of a revision the directory", "[tools]") {
  BackedUp work;
  const ToolRun run = work.restore({"latest", "-t", work.target()});
  CHECK(run.code == 0);
  CHECK(run.err.empty());
  CHECK_THAT(run.out, StartsWith("restored 3 files, 17 B to " + work.target() + " in "));
  CHECK(work.restored("docs/b.txt") == "beta\n");
  CHECK(fs::exists(work.target() + "/c.txt"));
}

TEST_CASE("of REV:PATH the last component appears in the target", "[tools]") {
  BackedUp work;
  CHECK(work.restore({"latest:docs", "latest:c.txt", "-t", work.target()}).code == 0);
  CHECK(work.restored("docs/a.txt") == "alpha\n");
  CHECK(work.restored("c.txt") == "gamma\n");
  CHECK(work.restore({"latest:docs/a.txt", "-t", work.target() + "/deep/er"}).code == 0);
  CHECK(work.restored("deep/er/a.txt") == "alpha\n");
}

TEST_CASE("--in-place puts everything where it was read", "[tools]") {
  BackedUp work;
  work.source.remove("docs");
  CHECK(work.restore({"latest:" + (work.source / "docs/a.txt"), "--in-place"}).code == 0);
  CHECK(work.source.read("docs/a.txt") == "alpha\n");
  CHECK(!work.source.exists("docs/b.txt"));
  CHECK(work.restore({"latest", "--in-place"}).code == 0);
  CHECK(work.source.read("docs/b.txt") == "beta\n");
}

TEST_CASE("restore: calls that cannot be meant are usage errors", "[tools]") {
  BackedUp work;
  const Words call = GENERATE(values<Words>({{},
                                             {"latest"},
                                             {"-t", "./out"},
                                             {"latest", "-t", "./out", "--in-place"},
                                             {"latest", "-t", "-", "--verify"},
                                             {"latest", "-t", "./out", "--overwrite", "sometimes"},
                                             {"latest", "-t", "./out", "--files-from", "x",
                                              "--files-from0", "x"},
                                             {"nonsense", "-t", "./out"}}));
  const ToolRun run = work.restore(call);
  INFO(Catch::Detail::stringify(call) << run.err);
  CHECK(run.code == 2);
  CHECK(run.out.empty());
  CHECK_THAT(run.err, Contains("\nUsage: reverse-restore "));
  CHECK(!fs::exists("out"));
}

TEST_CASE("the file system's root as a target is refused", "[tools]") {
  BackedUp work;
  const ToolRun run = work.restore({"latest", "-n", "-t", "/"});
  CHECK(run.code == 5);
  CHECK_THAT(run.err, Contains("--allow target"));
  CHECK(work.restore({"latest", "-n", "-t", "/../"}).code == 5);
  CHECK(work.restore({"latest", "-n", "-t", "/", "--allow", "target"}).code == 0);
}

TEST_CASE("of a path that is gone the newest revision that has it is named", "[tools]") {
  BackedUp work;
  const std::string newest =
      json_lines(work.reverse({"list", "--json", work.repo()}).out)[0]["revision"];
  work.source.remove("c.txt");
  REQUIRE(work.backup({"-q"}).code == 0);
  const ToolRun gone = work.restore({"latest:c.txt", "-t", work.target()});
  CHECK(gone.code == 1);
  CHECK_THAT(gone.err, Contains("'c.txt' is not in revision") &&
                           Contains("the newest that has it is " + newest));
  CHECK_THAT(work.restore({"latest:d.txt", "-t", work.target()}).err, Contains("no revision of"));
  CHECK(work.restore({newest + ":c.txt", "-t", work.target()}).code == 0);
}

TEST_CASE("a differing file is kept, listed, and exit 3, until --overwrite says otherwise",
          "[tools]") {
  BackedUp work;
  REQUIRE(work.restore({"latest", "-t", work.target()}).code == 0);
  const std::string file = work.target() + "/c.txt";
  write_file(file, "mine!\n");
  fs::last_write_time(file, fs::last_write_time(file) + std::chrono::hours(1));

  const ToolRun kept = work.restore({"latest", "-t", work.target()});
  CHECK(kept.code == 3);
  CHECK_THAT(kept.out, StartsWith("kept  " + file + "\n") &&
                           Contains("  1 there, but different: kept") &&
                           Contains("  2 already there"));
  CHECK(work.restore({"latest", "-t", work.target(), "--overwrite", "if-newer"}).code == 0);
  CHECK(work.restored("c.txt") == "mine!\n");
  CHECK(work.restore({"latest", "-t", work.target(), "--overwrite", "if-changed"}).code == 0);
  CHECK(work.restored("c.txt") == "gamma\n");

  write_file(file, "mine!\n");
  fs::last_write_time(file, fs::last_write_time(file) - std::chrono::hours(1));
  CHECK(work.restore({"latest", "-t", work.target(), "--overwrite", "if-newer"}).code == 0);
  CHECK(work.restored("c.txt") == "gamma\n");
  CHECK_THAT(work.restore({"latest", "-t", work.target(), "--overwrite", "always"}).out,
             StartsWith("restored 3 files"));
}

TEST_CASE("--include and --exclude choose what is restored", "[tools]") {
  BackedUp work;
  CHECK(work.restore({"latest", "-t", work.target(), "--include", "a.txt"}).code == 0);
  CHECK(fs::exists(work.target() + "/docs/a.txt"));
  CHECK(!fs::exists(work.target() + "/docs/b.txt"));
  CHECK(!fs::exists(work.target() + "/c.txt"));
  CHECK(work.restore({"latest", "-t", work.target() + "2", "-e", "docs"}).code == 0);
  CHECK(fs::exists(work.target() + "2/c.txt"));
  CHECK(!fs::exists(work.target() + "2/docs"));
}

TEST_CASE("restore -n tells the plan and writes nothing", "[tools]") {
  BackedUp work;
  const ToolRun run = work.restore({"latest", "-n", "-t", work.target()});
  CHECK(run.code == 0);
  CHECK_THAT(run.out, Contains("docs/a.txt\n") && Contains("would restore 3 files, 17 B to "));
  CHECK(!fs::exists(work.target()));
}

TEST_CASE("restore -q says nothing of what went well", "[tools]") {
  BackedUp work;
  const ToolRun run = work.restore({"latest", "-q", "-t", work.target()});
  CHECK(run.code == 0);
  CHECK(run.out.empty());
  CHECK(run.err.empty());
}

TEST_CASE("damaged content is named and left out, the rest is restored, and the code is 4",
          "[tools]") {
  BackedUp work;
  const std::string object = object_with(work.repo(), "beta\n");
  REQUIRE(!object.empty());
  fs::permissions(object, fs::perms::owner_write, fs::perm_options::add);
  write_file(object, "bEta\n");
  const ToolRun run = work.restore({"latest", "-t", work.target()});
  CHECK(run.code == 4);
  CHECK_THAT(run.err, Contains("error: docs/b.txt: "));
  CHECK_THAT(run.out, Contains("  1 damaged in the repository: not restored"));
  CHECK(!fs::exists(work.target() + "/docs/b.txt"));
  CHECK(work.restored("docs/a.txt") == "alpha\n");
}

TEST_CASE("what held no content when it was backed up makes a restore incomplete", "[tools]") {
  Workplace work;
  work.write_small_tree();
  work.source.set_mode("c.txt", 0);
  REQUIRE(work.backup({"-q"}).code == 3);
  const ToolRun run = work.restore({"latest", "-t", work.target()});
  CHECK(run.code == 3);
  CHECK_THAT(run.out, Contains("  1 without content: unreadable when backed up"));
}

TEST_CASE("set-id bits come back only with --special, and are counted without", "[tools]") {
  Workplace work;
  work.source.write("tool", "#!/bin/sh\n", 04755);
  REQUIRE(work.backup({"-q"}).code == 0);
  const auto mode = [](const std::string& path) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
  };
  const ToolRun plain = work.restore({"latest", "-t", work.target()});
  CHECK(plain.code == 0);
  CHECK_THAT(plain.out, Contains("--special restores them"));
  CHECK(mode(work.target() + "/tool") == 0755);
  CHECK(work.restore({"latest", "--special", "--verify", "-t", work.target() + "2"}).code == 0);
  CHECK(mode(work.target() + "2/tool") == 04755);
}

TEST_CASE("a restore writes neither into the repository nor to a place that seems another machine's",
          "[tools]") {
  BackedUp work;
  fs::create_directory_symlink(work.repo(), work.harness / "link");
  for (const std::string& target :
       {work.repo(), work.repo() + "/new", work.harness / "link/new", std::string("nas:/x"),
        std::string("nas:"), std::string("sftp://nas/x")}) {
    CAPTURE(target);
    CHECK(work.restore({"latest", "-t", target}).code == 2);
  }
  CHECK(!fs::exists(work.repo() + "/new"));
  CHECK(!fs::exists("nas:"));
  CHECK(work.restore({"-q", "latest", "-t", work.repo() + "-beside"}).code == 0);
}

TEST_CASE("--delete leaves repositories alone, and says so", "[tools]") {
  BackedUp work;
  const std::string around = work.harness / "";
  fs::create_directories(around + "new/deep");
  write_file(around + "new/deep/file", "x");
  fs::create_directories(around + "docs");
  fs::rename(work.repo(), around + "docs/repo");
  const ToolRun run = work.harness.run(
      restore_tool(), {around + "docs/repo", "latest", "--delete", "--exclude", "/cache", "-t", around});
  CHECK(run.code == 3);
  CHECK_THAT(run.err, Contains("docs/repo' is a repository: it is left alone"));
  CHECK(!fs::exists(around + "new"));
  CHECK(read_file(around + "c.txt") == "gamma\n");
  CHECK(work.reverse({"verify", "-q", around + "docs/repo"}).code == 0);
}

TEST_CASE("a checkpoint lacks names that were there: --delete does not go by it", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup({"-q"}).code == 0);
  const std::string checkpoint = work.add_checkpoint();
  TempTree target;
  target.write("more", "kept");
  const ToolRun run = work.restore({checkpoint, "--delete", "-t", target.path()});
  CHECK(run.code == 2);
  CHECK_THAT(run.err, Contains("is a checkpoint"));
  CHECK(target.read("more") == "kept");
  CHECK(work.restore({"-q", checkpoint, "-t", target.path()}).code == 0);
}

TEST_CASE("a stream has no place to go back to", "[tools]") {
  Workplace work;
  REQUIRE(work.reverse({"backup", "-q", "--stdin-filename", "dump", "--stdin-from-command",
                        "echo data", work.repo()})
              .code == 0);
  CHECK(work.restore({"latest", "--in-place"}).code == 2);
  CHECK(work.restore({"latest:dump", "-t", work.target()}).code == 0);
  CHECK(read_file(work.target() + "/dump") == "data\n");
}

TEST_CASE("--set, --host and --tag say which revision the latest is", "[tools]") {
  Workplace work;
  work.source.write("f", "first");
  REQUIRE(work.backup({"-q", "--label", "one", "--tag", "good"}).code == 0);
  work.source.write("f", "second");
  REQUIRE(work.backup({"-q", "--label", "one"}).code == 0);
  REQUIRE(work.backup({"-q", "--host", "far", "--label", "two"}).code == 0);

  const auto content = [&](Words options) {
    fs::remove_all(work.target());
    options.insert(options.end(), {"latest:f", "-t", work.target()});
    REQUIRE(work.restore(options).code == 0);
    return read_file(work.target() + "/f");
  };
  CHECK(content({"--set", "desk/*"}) == "second");
  CHECK(content({"--host", "far"}) == "second");
  CHECK(content({"--set", "desk/one", "--tag", "good"}) == "first");
  CHECK(work.restore({"latest", "--set", "nas/*", "-t", work.target()}).code != 0);
}

}  // namespace reverse
