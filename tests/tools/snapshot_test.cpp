#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "tests/tools/workplace.h"
#include "tools/reverse-snapshot/command.h"

using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::Matches;
using Catch::Matchers::StartsWith;

namespace reverse {
namespace {

/// A workplace with three revisions of "desk/home" and one of "desk/docs".
struct Filled : Workplace {
  Filled() {
    write_small_tree();
    REQUIRE(backup({"-q", "--label", "home", "--time", "2014-01-05"}).code == 0);
    REQUIRE(backup({"-q", "--label", "home", "--time", "2014-02-05", "--tag", "kept"}).code == 0);
    source.write("new", "delta\n");
    REQUIRE(backup({"-q", "--label", "home"}).code == 0);
    REQUIRE(reverse({"-q", "--label", "docs", source / "docs", repo()}).code == 0);
  }
  ToolRun list(Words words) {
    words.insert(words.begin(), {"list", repo()});
    return reverse(words);
  }
};

}  // namespace

// --- list

TEST_CASE("list prints a line for each revision, set by set, oldest first", "[tools]") {
  Filled work;
  const ToolRun run = work.list({});
  CHECK(run.code == 0);
  CHECK_THAT(run.err, Contains("4 revisions, 68 B in all their files"));
  const Words lines = lines_of(run.out);
  REQUIRE(lines.size() == 4);
  CHECK_THAT(lines[0], StartsWith("desk/docs/"));
  CHECK_THAT(lines[1],
             Matches("desk/home/2014010[45]T.{7}-.{8}  2014-01-05 00:00  complete  3 files  17 B  "
                     "\\+.* B|desk/home/2014010[45]T.{7}-.{8}  2014-01-05 00:00  complete  3 "
                     "files +17 B +\\+.*"));
  CHECK_THAT(lines[3], Contains("  4 files "));
}

TEST_CASE("list: sets, tags and --latest leave less", "[tools]") {
  Filled work;
  CHECK(lines_of(work.list({"desk/home"}).out).size() == 3);
  CHECK(lines_of(work.list({"desk/home", "desk/docs"}).out).size() == 4);
  CHECK(lines_of(work.list({"--set", "*/d*"}).out).size() == 1);
  CHECK(lines_of(work.list({"--tag", "kept"}).out).size() == 1);
  CHECK(lines_of(work.list({"--host", "far"}).out).empty());
  CHECK(lines_of(work.list({"--latest", "1"}).out).size() == 2);
  CHECK_THAT(lines_of(work.list({"--latest", "2", "desk/home"}).out).at(0), Contains("201402"));
}

TEST_CASE("list names a set that is not there", "[tools]") {
  Filled work;
  const ToolRun run = work.list({"desk/hmoe"});
  CHECK(run.code == 1);
  CHECK_THAT(run.err, Contains("there is no set 'desk/hmoe'"));
}

TEST_CASE("list --max-age exits 3 and names the sets that are overdue", "[tools]") {
  Filled work;
  const ToolRun young = work.list({"-q", "--max-age", "26h"});
  CHECK(young.code == 0);
  CHECK(young.out.empty());
  CHECK(young.err.empty());
  const ToolRun old = work.list({"-q", "--max-age", "0"});
  CHECK(old.code == 3);
  CHECK(old.out.empty());
  CHECK_THAT(old.err, Contains("desk/home: ") && Contains("desk/docs: "));
  CHECK(work.list({"--max-age", "2m"}).code == 2);
}

TEST_CASE("list --max-age takes an empty repository for overdue", "[tools]") {
  Workplace work;
  REQUIRE(work.reverse({"init", "-q", work.repo()}).code == 0);
  CHECK(work.reverse({"list", work.repo()}).code == 0);
  const ToolRun run = work.reverse({"list", "-q", work.repo(), "--max-age", "26h"});
  CHECK(run.code == 3);
  CHECK(!run.err.empty());
}

TEST_CASE("list leaves checkpoints out where there is a complete revision, unless --all",
          "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup({"-q"}).code == 0);
  work.add_checkpoint();
  const ToolRun plain = work.reverse({"list", work.repo()});
  CHECK(lines_of(plain.out).size() == 1);
  CHECK_THAT(plain.err, Contains("1 checkpoint not shown (--all)"));
  CHECK_THAT(work.reverse({"list", "--all", work.repo()}).out, Contains("  checkpoint  "));
}

TEST_CASE("an unreadable head is damage, and the others are listed", "[tools]") {
  Filled work;
  const std::filesystem::path head = work.only_file(work.repo() + "/manifests/desk/docs");
  std::filesystem::permissions(head, std::filesystem::perms::owner_write,
                               std::filesystem::perm_options::add);
  write_file(head, "nonsense");
  const ToolRun run = work.list({});
  CHECK(run.code == 4);
  CHECK(lines_of(run.out).size() == 3);
  CHECK_THAT(run.err, StartsWith("error: ") && Contains("desk/docs/"));
}

// --- show

TEST_CASE("show without REV tells of the repository and its sets", "[tools]") {
  Filled work;
  const ToolRun run = work.reverse({"show", work.repo()});
  CHECK(run.code == 0);
  CHECK_THAT(run.out, StartsWith("repository ") && Contains("objects named by md5") &&
                          Contains("set        desk/home: 3 revisions of " + work.source.path()));
}

TEST_CASE("show REV tells what its head says, and takes no PATH", "[tools]") {
  Filled work;
  const ToolRun run = work.reverse({"show", work.repo(), "desk/home~1"});
  CHECK(run.code == 0);
  CHECK_THAT(run.out, StartsWith("revision   desk/home/201402") && Contains("tag        kept\n") &&
                          Contains("outcome    complete\n"));
  CHECK(work.reverse({"show", work.repo(), "desk/home:docs"}).code == 2);
  CHECK(work.reverse({"show", work.repo(), "desk/home", "desk/docs"}).code == 2);
  CHECK(work.reverse({"show", work.repo(), "--server"}).code == 2);
}

TEST_CASE("show --yaml is one document with the head and every entry", "[tools]") {
  Filled work;
  const ToolRun run = work.reverse({"show", "--yaml", work.repo(), "desk/home"});
  CHECK(run.code == 0);
  CHECK_THAT(run.out, StartsWith("reverse-manifest: 1\n") && Contains("\nlabel: \"home\"\n") &&
                          Contains("\nentries:\n- {\"type\": \"dir\"") &&
                          Contains("\"path\": \"docs/a.txt\"}\n"));
  CHECK(work.reverse({"show", "--yaml", work.repo()}).code == 2);
  CHECK(work.reverse({"show", "--yaml", "--json", work.repo(), "desk/home"}).code == 2);
}

// --- ls and cat

TEST_CASE("ls lists a directory, everything below it with -R, a file by its name", "[tools]") {
  Filled work;
  const auto ls = [&](Words words) {
    words.insert(words.begin(), {"ls", work.repo()});
    return lines_of(work.reverse(words).out);
  };
  CHECK(ls({"desk/home"}) == Words{"c.txt", "docs", "new"});
  CHECK(ls({"desk/home~2"}) == Words{"c.txt", "docs"});
  CHECK(ls({"desk/home:docs"}) == Words{"docs/a.txt", "docs/b.txt"});
  CHECK(ls({"desk/home:c.txt"}) == Words{"c.txt"});
  CHECK(ls({"-R", "desk/home@2014-01"}) == Words{"c.txt", "docs", "docs/a.txt", "docs/b.txt"});
  CHECK(ls({"desk/home:docs", "desk/docs"}) == Words{"docs/a.txt", "docs/b.txt", "a.txt", "b.txt"});
}

TEST_CASE("ls -l tells mode, size, time and where a link leads", "[tools]") {
  Workplace work;
  work.source.write("a.txt", std::string(4096, 'x'), 0640);
  work.source.set_mtime("a.txt", {1390644000, 0});
  work.source.symlink("a.txt", "link");
  REQUIRE(work.backup({"-q"}).code == 0);
  const Words lines = lines_of(work.reverse({"ls", "-l", work.repo(), "latest"}).out);
  REQUIRE(lines.size() == 2);
  CHECK_THAT(lines[0], Matches("-rw-r----- .* 4,096 2014-01-2. ..:.. a\\.txt"));
  CHECK_THAT(lines[1], Matches("lrwxrwxrwx .* link -> a\\.txt"));
}

TEST_CASE("ls escapes names, and -0 gives them raw, ended by NUL", "[tools]") {
  Workplace work;
  const std::string evil = "evil\x1b[2J\nname";
  work.source.write(evil, "x");
  work.source.write("fine", "x");
  REQUIRE(work.backup({"-q"}).code == 0);
  CHECK(work.reverse({"ls", work.repo(), "latest"}).out == "evil\\x1b[2J\\x0aname\nfine\n");
  CHECK(work.reverse({"ls", "-0", work.repo(), "latest"}).out == evil + std::string("\0fine\0", 6));
  CHECK(work.reverse({"ls", "-l0", work.repo(), "latest"}).out ==
        evil + std::string("\0fine\0", 6));
}

TEST_CASE("cat writes files to stdout, byte for byte, and nothing else", "[tools]") {
  Workplace work;
  const std::string bytes("\0\x1b\xff\n", 4);
  work.source.write("bin", bytes);
  work.source.write("text", "more");
  REQUIRE(work.backup({"-q"}).code == 0);
  CHECK(work.reverse({"cat", work.repo(), "latest:bin", "latest:text"}).out == bytes + "more");
  CHECK(work.reverse({"cat", work.repo(), "latest"}).code == 2);
  CHECK(work.reverse({"cat", work.repo(), "latest:none"}).code == 1);
  CHECK(work.reverse({"cat", "--json", work.repo(), "latest:text"}).code == 2);
}

TEST_CASE("a word that could mean several sets is refused, and they are listed", "[tools]") {
  Filled work;
  const ToolRun run = work.reverse({"ls", work.repo(), "latest"});
  CHECK(run.code == 2);
  CHECK_THAT(run.err, Contains("desk/docs, desk/home"));
  CHECK(work.reverse({"ls", "--set", "desk/d*", work.repo(), "latest"}).out == "a.txt\nb.txt\n");
}

// --- init

TEST_CASE("init makes an empty repository once", "[tools]") {
  Workplace work;
  CHECK_THAT(work.reverse({"init", "-n", work.repo()}).out,
             StartsWith("would make a repository at "));
  CHECK(!std::filesystem::exists(work.repo()));
  CHECK_THAT(work.reverse({"init", work.repo()}).out, StartsWith("made a repository at "));
  const ToolRun again = work.reverse({"init", work.repo()});
  CHECK(again.code == 1);
  CHECK_THAT(again.err, Contains("there is a repository at"));
  CHECK(work.reverse({"init", work.repo() + "/not/there"}).code != 0);
  CHECK(work.reverse({"init"}).code == 2);
}

// --- the tool and the front door

TEST_CASE("the front door backs up where the first word is no verb", "[tools]") {
  Workplace work;
  work.write_small_tree();
  CHECK(work.reverse({work.source.path(), work.repo()}).code == 0);
  CHECK(work.reverse({"-q", work.source.path(), work.repo()}).code == 0);
  CHECK(work.reverse({"backup", "-q", work.source.path(), work.repo()}).code == 0);
  CHECK(work.reverse({"snapshot", "list", work.repo()}).out ==
        work.reverse({"list", work.repo()}).out);
  const ToolRun unknown = work.reverse({"lsit", work.repo()});
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.err, Contains("./lsit") && Contains("lsit:"));
  CHECK(work.reverse({}).code == 2);
}

TEST_CASE("where there is no repository, reading says so with code 10", "[tools]") {
  Workplace work;
  for (const Words& call :
       {Words{"list", work.repo()}, Words{"show", work.repo()}, Words{"ls", work.repo(), "latest"},
        Words{"cat", work.repo(), "latest:x"},
        Words{"restore", work.repo(), "latest", "-t", work.target()}})
    CHECK(work.reverse(call).code == 10);
  CHECK(!std::filesystem::exists(work.repo()));
}

}  // namespace reverse
