#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "libcore/base/fd.h"
#include "tests/tools/workplace.h"

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace reverse {
namespace {

/// Standard input that holds `text` and then ends.
UniqueFd input(const std::string& text) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const UniqueFd writer(ends[1]);
  write_full(writer.get(), text, "pipe");
  return UniqueFd(ends[0]);
}

/// The label of each set, in order.
Words labels(Workplace& work) {
  Words found;
  for (const auto& line : json_lines(work.reverse({"list", "--json", work.repo()}).out))
    if (line["message_type"] == "revision") found.push_back(line["label"]);
  return found;
}

}  // namespace

TEST_CASE("of several sources each becomes a revision of its own set", "[tools]") {
  Workplace work;
  work.source.write("one/a", "1");
  work.source.write("two/b", "2");
  const ToolRun run = work.run_backup({work.source / "one", work.source / "two", work.repo()});
  CHECK(run.code == 0);
  CHECK(lines_of(run.out).size() == 4);
  CHECK(labels(work).size() == 2);
}

TEST_CASE("a source that fails leaves the others alone, and the gravest code counts", "[tools]") {
  Workplace work;
  work.source.write("one/a", "1");
  work.source.make_dir("empty");
  work.source.write("two/b", "2");
  const ToolRun run = work.run_backup({work.source / "empty", work.source / "one",
                                       work.source / "missing", work.source / "two", work.repo()});
  CHECK(run.code == 1);
  CHECK(labels(work).size() == 2);
  CHECK_THAT(run.err, Contains("error: " + (work.source / "empty") + ": ") &&
                          Contains("error: " + (work.source / "missing") + ": "));
  CHECK(work.run_backup({work.source / "empty", work.source / "one", work.repo()}).code == 5);
}

TEST_CASE("a SOURCE that is a file is backed up alone", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const ToolRun run = work.run_backup({"--label", "letter", work.source / "c.txt", work.repo()});
  CHECK(run.code == 0);
  CHECK(work.names() == Words{"c.txt"});
  CHECK(work.reverse({"cat", work.repo(), "latest:" + (work.source / "c.txt")}).out == "gamma\n");
}

TEST_CASE("a SOURCE that is a symlink is followed and recorded by its own name", "[tools]") {
  Workplace work;
  work.write_small_tree();
  work.source.symlink("docs", "card");
  REQUIRE(work.run_backup({work.source / "card", work.repo()}).code == 0);
  CHECK(work.names() == Words{"a.txt", "b.txt"});
  CHECK_THAT(work.reverse({"show", work.repo(), "latest"}).out,
             Contains("source     " + (work.source / "card") + "\n"));
}

TEST_CASE("a SOURCE that is neither a directory nor a file is refused", "[tools]") {
  Workplace work;
  work.source.make_fifo("pipe");
  CHECK(work.run_backup({work.source / "pipe", work.repo()}).code == 2);
}

TEST_CASE("--as records a source under the path it stands for", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup({"--as", "/home/joe"}).code == 0);
  CHECK(labels(work) == Words{"home-joe"});
  CHECK(work.reverse({"ls", work.repo(), "latest:/home/joe/docs"}).out ==
        "docs/a.txt\ndocs/b.txt\n");
}

TEST_CASE("a file behind --as keeps its own name below the given directory", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.run_backup({"--as", "/home/joe/c.txt", work.source / "c.txt", work.repo()}).code ==
          0);
  CHECK(work.reverse({"cat", work.repo(), "latest:/home/joe/c.txt"}).out == "gamma\n");
}

TEST_CASE("sources named like option values or with odd characters are taken as they are",
          "[tools]") {
  Workplace work;
  for (const char* name : {"[b,c]", "-x", "--", "list", "a b"}) {
    work.source.write(std::string(name) + "/f", "1");
    INFO(name);
    CHECK(work.run_backup({"-q", "--", work.source / name, work.repo()}).code == 0);
  }
  CHECK(labels(work).size() == 5);
}

TEST_CASE("REVERSE_REPOSITORY stands in where the operands are the fewest", "[tools]") {
  Workplace work;
  work.write_small_tree();
  work.harness.environment["REVERSE_REPOSITORY"] = work.repo();
  CHECK(work.run_backup({work.source.path()}).code == 0);
  CHECK(lines_of(work.reverse({"list"}).out).size() == 1);
  CHECK(lines_of(work.reverse({"ls", "latest"}).out).size() == 2);
  CHECK(work.reverse({"show", "latest"}).code == 2);  // one operand is REPO there
  const std::string other = work.harness / "other";
  CHECK(work.run_backup({work.source.path(), other}).code == 0);
  CHECK(std::filesystem::exists(other));
}

TEST_CASE("-r names the repository, and every operand is a source", "[tools]") {
  Workplace work;
  work.source.write("one/a", "1");
  work.source.write("two/b", "2");
  CHECK(work.run_backup({"-r", work.repo(), work.source / "one", work.source / "two"}).code == 0);
  CHECK(labels(work).size() == 2);
}

TEST_CASE("standard input becomes one file of a set named after it", "[tools]") {
  Workplace work;
  const UniqueFd in = input("select 1;\n");
  work.harness.in_fd = in.get();
  REQUIRE(work.run_backup({"--stdin-filename", "all.sql", "-", work.repo()}).code == 0);
  CHECK(labels(work) == Words{"all.sql"});
  CHECK(work.reverse({"cat", work.repo(), "latest:all.sql"}).out == "select 1;\n");
}

TEST_CASE("a command's output is backed up, and its failure publishes nothing", "[tools]") {
  Workplace work;
  const Words words{"--stdin-filename", "all.sql", "--stdin-from-command"};
  const auto run = [&](const std::string& command) {
    Words all = words;
    all.insert(all.end(), {command, work.repo()});
    return work.run_backup(all);
  };
  REQUIRE(run("printf 'a\\nb\\n' | sort -r").code == 0);
  CHECK(work.reverse({"cat", work.repo(), "latest:all.sql"}).out == "b\na\n");

  const ToolRun failed = run("echo half; exit 3");
  CHECK(failed.code == 1);
  CHECK_THAT(failed.err, Contains("failed with exit code 3: nothing is published"));
  CHECK(run("echo half; kill -9 $$").code == 1);
  CHECK(run("no-such-program-anywhere 2>/dev/null").code == 1);
  CHECK(work.revisions() == 1);
}

TEST_CASE("a stream that stands still is left when the run is stopped", "[tools]") {
  Workplace work;
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const UniqueFd in(ends[0]), writer(ends[1]);  // nothing is ever written
  work.harness.in_fd = in.get();
  std::jthread stopper([&] { work.harness.stop.request_stop(); });
  const ToolRun run = work.run_backup({"--stdin-filename", "all.sql", "-", work.repo()});
  CHECK(run.code == kStoppedCode);
}

}  // namespace reverse
