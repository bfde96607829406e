#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "libcore/base/fd.h"
#include "libcore/engine/set_lock.h"
#include "libcore/store/repository.h"
#include "tests/tools/workplace.h"

using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::Matches;
using Catch::Matchers::StartsWith;

namespace reverse {
namespace {

/// Appends to a file for as long as it lives, so that every reading of it meets a change.
class RestlessFile {
 public:
  explicit RestlessFile(const std::string& path)
      : thread_([this, path] {
          std::ofstream file(path, std::ios::app);
          while (!done_) file << "more" << std::flush;
        }) {}
  ~RestlessFile() {
    done_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

std::string repository_id(const Workplace& work) {
  const std::string text = read_file(work.repo() + "/repository.yaml");
  return parse_repository_info(text, "repository.yaml").id;
}

}  // namespace

TEST_CASE("a first backup makes the repository and says where; results go to stdout", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const ToolRun run = work.backup();
  INFO(run.err);
  CHECK(run.code == 0);
  CHECK_THAT(run.err, Matches("made a repository at /.*/repo \\(.+, .+ free\\)\n"));
  REQUIRE(lines_of(run.out).size() == 2);
  CHECK_THAT(lines_of(run.out)[0],
             Matches("desk/tmp-.*/[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}  complete  3 files, 17 B"));
  CHECK_THAT(lines_of(run.out)[1], StartsWith("  3 new · stored "));
  CHECK((std::filesystem::status(work.repo()).permissions() & std::filesystem::perms::mask) ==
        std::filesystem::perms::owner_all);
}

TEST_CASE("a second backup of an unchanged tree tells so, and a changed one what changed",
          "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup().code == 0);
  const ToolRun second = work.backup();
  CHECK(second.code == 0);
  CHECK(second.err.empty());
  CHECK_THAT(second.out, Contains("\n  nothing changed · stored 0 B in "));

  work.source.write("docs/a.txt", "alpha, and more\n");
  work.source.write("new.txt", "delta\n");
  work.source.remove("c.txt");
  CHECK_THAT(work.backup().out, Contains("\n  1 new, 1 changed, 1 gone · stored "));
}

TEST_CASE("-q leaves a good run without a word", "[tools]") {
  Workplace work;
  work.write_small_tree();
  for (int i = 0; i < 2; ++i) {
    const ToolRun run = work.backup({"-q"});
    CHECK(run.code == 0);
    CHECK(run.out.empty());
    CHECK(run.err.empty());
  }
  CHECK(work.revisions() == 2);
}

TEST_CASE("-v names each file with what happened to it", "[tools]") {
  Workplace work;
  work.write_small_tree();
  CHECK_THAT(work.backup({"-v"}).out, Contains("new             6 B  docs/a.txt\n"));
}

TEST_CASE("--fsync says how data is made durable; the result is the same", "[tools]") {
  Workplace work;
  work.write_small_tree();
  for (const char* when : {"each", "barrier", "none"}) {
    work.source.write("new.txt", when);
    CHECK(work.backup({"-q", "--fsync", when}).code == 0);
    CHECK(work.reverse({"cat", work.repo(), "latest:new.txt"}).out == when);
  }
}

TEST_CASE("--no-create makes no repository", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const ToolRun run = work.backup({"--no-create"});
  CHECK(run.code == 10);
  CHECK_THAT(run.err, Contains("there is no repository at '" + work.repo() + "'"));
  CHECK(!std::filesystem::exists(work.repo()));
}

TEST_CASE("a REPO that is something else is left as it is", "[tools]") {
  Workplace work;
  work.write_small_tree();
  std::filesystem::create_directory(work.repo());
  write_file(work.repo() + "/letter", "dear");
  CHECK(work.backup().code == 10);
  CHECK(std::distance(std::filesystem::directory_iterator(work.repo()), {}) == 1);
}

TEST_CASE("a bare word creates nothing", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const ToolRun run = work.run_backup({work.source.path(), "nowhere"});
  CHECK(run.code == 2);
  CHECK_THAT(run.err, Contains("./nowhere") && Contains("nowhere:"));
  CHECK(!std::filesystem::exists("nowhere"));
}

TEST_CASE("backup: calls that cannot be meant are usage errors and create nothing", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const std::string tree = work.source.path();
  const Words call = GENERATE_REF(values<Words>({
      {},
      {tree},
      {"", tree},
      {tree, ""},
      {"nas:/home", tree + "/repo"},
      {"--frobnicate", tree, tree + "/repo"},
      {"--digest", "crc", tree, tree + "/repo"},
      {"--cross", "disk", tree, tree + "/repo"},
      {"--fsync", "maybe", tree, tree + "/repo"},
      {"--repositories", "copy", tree, tree + "/repo"},
      {"--exclude-larger-than", "many", tree, tree + "/repo"},
      {"--checkpoint", "2m", tree, tree + "/repo"},
      {"--overdue", "1y", tree, tree + "/repo"},
      {"--time", "yesterday", tree, tree + "/repo"},
      {"--allow", "everything", tree, tree + "/repo"},
      {"--host", "", tree, tree + "/repo"},
      {"--label", "home", tree, tree, tree + "/repo"},
      {"--as", "/home", tree, tree, tree + "/repo"},
      {"--files-from", "-", "--files-from0", "-", tree, tree + "/repo"},
      {"-", tree + "/repo"},
      {"--stdin-filename", "a", tree, tree + "/repo"},
      {"--stdin-filename", "a/b", "-", tree + "/repo"},
      {"--stdin-filename", "..", "-", tree + "/repo"},
      {"--stdin-filename", "a", "-", tree, tree + "/repo"},
      {"--stdin-from-command", "true", tree + "/repo"},
      {"--stdin-from-command", "true", "--stdin-filename", "a", tree, tree + "/repo"},
  }));
  const ToolRun run = work.run_backup(call);
  INFO(Catch::Detail::stringify(call) << run.err);
  CHECK(run.code == 2);
  CHECK(run.out.empty());
  CHECK_THAT(run.err, Contains("\nUsage: reverse-backup "));
  CHECK(!work.source.exists("repo"));
}

TEST_CASE("backup: options of later versions are refused by name", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const Words option = GENERATE(values<Words>({{"--all"},
                                               {"--config", "/etc/reverse.yaml"},
                                               {"--print-config"},
                                               {"--limit-download", "4M"}}));
  const ToolRun run = work.backup(option);
  CHECK(run.code == 2);
  CHECK_THAT(run.err, Contains(option.front() + ": not in this version"));
  CHECK(!std::filesystem::exists(work.repo()));
}

TEST_CASE("--digest counts when the repository is made, and must agree later", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup({"--digest", "sha256"}).code == 0);
  CHECK_THAT(work.reverse({"show", work.repo()}).out, Contains("named by sha256"));
  CHECK(work.backup().code == 0);
  CHECK(work.backup({"--digest", "sha256"}).code == 0);
  const ToolRun other = work.backup({"--digest", "md5"});
  CHECK(other.code == 2);
  CHECK_THAT(other.err, Contains("sha256"));
}

TEST_CASE("--require-mount stops a run whose disk is not there", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const ToolRun run = work.backup({"--require-mount", "/", "--require-mount", work.source.path()});
  CHECK(run.code == 5);
  CHECK_THAT(run.err, Contains("'" + work.source.path() + "' is not a mount point"));
  CHECK(!std::filesystem::exists(work.repo()));
  CHECK(work.backup({"--require-mount", "/"}).code == 0);
}

TEST_CASE("host, label, tag and time of a revision are those asked for", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup({"--host", "far", "--label", "my home", "--tag", "monthly", "--tag", "off",
                       "--time", "20140125T100000Z"})
              .code == 0);
  const auto revision = json_lines(work.reverse({"list", "--json", work.repo()}).out).at(0);
  CHECK_THAT(revision["revision"].get<std::string>(), StartsWith("far/my_home/20140125T100000Z-"));
  CHECK(revision["hostname"] == "far");
  CHECK(revision["tags"] == nlohmann::json({"monthly", "off"}));
}

TEST_CASE("--skip-if-unchanged publishes only what differs", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup().code == 0);
  const ToolRun same = work.backup({"--skip-if-unchanged"});
  CHECK(same.code == 0);
  CHECK_THAT(same.out, Contains("  unchanged, nothing published  "));
  CHECK(work.revisions() == 1);
  work.source.write("new.txt", "delta\n");
  CHECK(work.backup({"--skip-if-unchanged"}).code == 0);
  CHECK(work.revisions() == 2);
}

TEST_CASE("-n names what would be read, and changes nothing", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const ToolRun first = work.backup({"-n"});
  CHECK(first.code == 0);
  CHECK_THAT(first.err, Contains("would make a repository at " + work.repo()));
  CHECK_THAT(first.out, Contains("new             6 B  docs/a.txt\n") &&
                            Contains("dry run: would back up 3 files, 17 B, 17 B of them to be "
                                     "read"));
  CHECK(!std::filesystem::exists(work.repo()));
  REQUIRE(work.backup({"-q"}).code == 0);
  work.source.write("new.txt", "delta\n");
  CHECK_THAT(work.backup({"-n"}).out, Contains("new             6 B  new.txt\n"));
  CHECK(work.revisions() == 1);
}

TEST_CASE("a file that changes while it is read is stored, marked, and exit 3 only under --strict",
          "[tools]") {
  Workplace work;
  work.write_small_tree();
  work.source.write("log", std::string(4 << 20, 'x'));
  const RestlessFile writer(work.source / "log");
  const ToolRun run = work.backup();
  INFO(run.err);
  CHECK(run.code == 0);
  CHECK_THAT(run.out, Contains(" · 1 changed while read (stored, marked)"));
  CHECK(work.backup({"--strict"}).code == 3);
  CHECK_THAT(work.reverse({"ls", "-l", work.repo(), "latest"}).out,
             Contains(" log  (changed while read)\n"));
}

TEST_CASE("what cannot be read is named, the rest is stored, and the code is 3", "[tools]") {
  Workplace work;
  work.write_small_tree();
  work.source.set_mode("docs/b.txt", 0);
  const ToolRun run = work.backup();
  CHECK(run.code == 3);
  CHECK_THAT(run.err, Contains("error: docs/b.txt: ") && Contains("Permission denied"));
  CHECK_THAT(run.out, Contains("  incomplete  "));
  CHECK(work.reverse({"cat", work.repo(), "latest:docs/a.txt"}).out == "alpha\n");
  CHECK_THAT(work.reverse({"show", work.repo(), "latest"}).out,
             Contains("problem    docs/b.txt: "));
}

TEST_CASE("of many unreadable items ten are named, then their number and where all are",
          "[tools]") {
  Workplace work;
  for (int i = 0; i < 12; ++i) work.source.write("f" + std::to_string(i), "x", 0);
  const ToolRun run = work.backup({"-q"});
  CHECK(run.code == 3);
  CHECK(run.out.empty());
  CHECK_THAT(run.err, Contains("error: 2 more; all of them: reverse show REPO desk/"));
  CHECK(lines_of(run.err).size() == 11);
}

TEST_CASE("names with control characters are escaped wherever they are told", "[tools]") {
  Workplace work;
  work.source.write("evil\x1b[2J\nname", "x", 0);
  work.source.write("fine", "x");
  const ToolRun run = work.backup({"-v"});
  CHECK_THAT(run.out + run.err, !Contains("\x1b") && Contains("evil\\x1b[2J\\x0aname"));
}

TEST_CASE("a set that is being backed up is left alone, and told who does it", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup({"--label", "home"}).code == 0);
  const SetLock lock(work.harness / "home/.cache/reverse", repository_id(work), "desk/home");

  const ToolRun run = work.backup({"--label", "home"});
  CHECK(run.code == 75);
  CHECK_THAT(run.err, Contains("'desk/home' is being backed up already, by process " +
                               std::to_string(::getpid())));
  CHECK(work.backup({"--label", "other"}).code == 0);
}

TEST_CASE("-q --overdue keeps silent about a temporary failure while a backup is young",
          "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup({"--label", "home"}).code == 0);
  const SetLock lock(work.harness / "home/.cache/reverse", repository_id(work), "desk/home");

  const ToolRun young = work.backup({"--label", "home", "-q", "--overdue", "1d"});
  CHECK(young.code == 75);
  CHECK(young.err.empty());
  const ToolRun old = work.backup({"--label", "home", "-q", "--overdue", "0"});
  CHECK(old.code == 75);
  CHECK_THAT(old.err, Contains("is being backed up already"));
  CHECK(!work.backup({"--label", "home", "--overdue", "1d"}).err.empty());
}

TEST_CASE("a damaged catalog is set aside with a warning, and the result is the same", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup().code == 0);
  const std::string catalog = work.harness / "home/.cache/reverse/catalog-1.sqlite";
  REQUIRE(std::filesystem::exists(catalog));
  write_file(catalog, std::string(50000, '#'));
  const ToolRun run = work.backup({"-q"});
  CHECK(run.code == 0);
  CHECK_THAT(run.err, StartsWith("warning: ") && Contains("kept as '" + catalog + ".damaged-"));
  CHECK(work.names("latest~1") == work.names("latest"));
  CHECK(work.backup({"-q"}).err.empty());
}

TEST_CASE("--cache-dir is where the catalog is kept", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const std::string cache = work.harness / "elsewhere";
  CHECK(work.backup({"--cache-dir", cache}).code == 0);
  CHECK(std::filesystem::exists(cache + "/catalog-1.sqlite"));
  CHECK(!std::filesystem::exists(work.harness / "home/.cache"));
}

TEST_CASE("a nested repository is merged, named, or backed up file by file, as asked", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.run_backup({"-q", "--label", "docs", work.source / "docs", work.source / "inner"}).code == 0);
  const ToolRun named = work.backup({"-q", "--repositories", "skip", "--label", "tree"});
  CHECK(named.code == 0);
  CHECK_THAT(named.err, Contains("inner' is a repository: named only"));
  CHECK(work.names("desk/tree").size() == 5);
  CHECK(work.revisions() == 1);
  CHECK(work.backup({"-q", "--repositories", "list", "--label", "tree"}).err.empty());
  CHECK(work.names("desk/tree").size() > 5);
  CHECK(work.revisions() == 2);
  const ToolRun merged = work.backup({"--allow", "shrink", "--label", "tree"});
  CHECK_THAT(merged.out, Contains("1 revision of nested repositories copied"));
  CHECK(work.names("desk/tree").size() == 5);
  CHECK(work.names("desk/docs").size() == 2);
  CHECK(work.revisions() == 4);
}

TEST_CASE("a source that is a repository is synced", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const std::string inner = work.harness / "inner";
  REQUIRE(work.run_backup({"-q", "--label", "docs", work.source / "docs", inner}).code == 0);
  const ToolRun plan = work.run_backup({"-n", inner, work.repo()});
  CHECK_THAT(plan.out, Contains("1 revision would be copied"));
  const ToolRun run = work.run_backup({inner, work.repo()});
  CHECK(run.code == 0);
  CHECK_THAT(run.out, Contains("1 revision copied"));
  CHECK(work.revisions() == 1);
  CHECK(work.names("desk/docs").size() == 2);
  CHECK_THAT(work.run_backup({inner, work.repo()}).out, Contains("0 revisions copied, 1 there already"));
}

}  // namespace reverse
