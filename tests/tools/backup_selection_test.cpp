#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "libcore/base/fd.h"
#include "tests/tools/workplace.h"

using Catch::Matchers::Contains;

namespace reverse {
namespace {

/// Names in the revision that a backup with these options makes.
Words backed_up(Workplace& work, const Words& options) {
  Words words = options;
  words.push_back("-q");
  const ToolRun run = work.backup(words);
  INFO(run.err);
  REQUIRE(run.code == 0);
  CHECK(run.err.empty());
  return work.names();
}

}  // namespace

TEST_CASE("-e leaves out names at any depth, anchored paths, and lets ! take back", "[tools]") {
  Workplace work;
  work.source.write("a.o", "1");
  work.source.write("sub/b.o", "2");
  work.source.write("sub/tmp/c", "3");
  work.source.write("tmp/d", "4");
  CHECK(backed_up(work, {"-e", "*.o", "-e", "!b.o", "-e", "/tmp"}) ==
        Words{"sub", "sub/b.o", "sub/tmp", "sub/tmp/c"});
  CHECK(backed_up(work, {"-e", work.source / "tmp", "--exclude", "sub"}) == Words{"a.o"});
}

TEST_CASE("commas and brackets in a pattern are the pattern's", "[tools]") {
  Workplace work;
  work.source.write("a,b", "1");
  work.source.write("a", "2");
  work.source.write("b", "3");
  CHECK(backed_up(work, {"-e", "a,b"}) == Words{"a", "b"});
  CHECK(backed_up(work, {"-e", "[a,b]"}) == Words{"a,b"});
}

TEST_CASE("a pattern that matched nothing is named", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const ToolRun run = work.backup({"-q", "-e", "*.iso", "-e", "a.txt"});
  CHECK(run.code == 0);
  CHECK(run.err == "warning: the pattern '*.iso' matched nothing\n");
}

TEST_CASE("--exclude-file and --exclude-from read patterns, blank lines and # skipped", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const std::string list = work.harness / "patterns";
  write_file(list, "# what is not kept\n\nb.txt\n/c.txt\n");
  const Words expected{"docs", "docs/a.txt"};
  CHECK(backed_up(work, {"--exclude-file", list}) == expected);
  CHECK(backed_up(work, {"--exclude-from", list}) == expected);
  CHECK(work.backup({"--exclude-file", list + "-missing"}).code == 1);
}

TEST_CASE("of a tagged directory only the tag is kept", "[tools]") {
  Workplace work;
  work.source.write("cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
  work.source.write("cache/x", "1");
  work.source.write("liar/CACHEDIR.TAG", "something else");
  work.source.write("skip/.nobackup", "yes");
  work.source.write("skip/y", "2");
  const Words names =
      backed_up(work, {"--exclude-caches", "--exclude-if-present", ".nobackup:yes"});
  CHECK(names == Words{"cache", "cache/CACHEDIR.TAG", "liar", "liar/CACHEDIR.TAG", "skip",
                       "skip/.nobackup"});
}

TEST_CASE("--exclude-larger-than leaves larger files out", "[tools]") {
  Workplace work;
  work.source.write("small", std::string(1024, 'x'));
  work.source.write("large", std::string(1025, 'x'));
  CHECK(backed_up(work, {"--exclude-larger-than", "1K"}) == Words{"small"});
}

TEST_CASE("--files-from takes the listed paths only, directories whole", "[tools]") {
  Workplace work;
  work.write_small_tree();
  work.source.write("*", "star");
  work.source.write("line\nfeed", "odd");
  const std::string list = work.harness / "names";
  write_file(list, "docs\n*\n");
  CHECK(backed_up(work, {"--files-from", list}) == Words{"*", "docs", "docs/a.txt", "docs/b.txt"});
  write_file(list, std::string("line\nfeed\0c.txt\0", 16));
  CHECK(backed_up(work, {"--files-from0", list, "--allow", "shrink"}) ==
        Words{"c.txt", "line\\x0afeed"});
}

TEST_CASE("--files-from - reads standard input", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const std::string list = work.harness / "names";
  write_file(list, "c.txt\n");
  const UniqueFd in = open_file(list, O_RDONLY);
  REQUIRE(::unlink(list.c_str()) == 0);  // only the descriptor leads to it
  work.harness.in_fd = in.get();
  CHECK(backed_up(work, {"--files-from", "-"}) == Words{"c.txt"});
}

TEST_CASE("a listed path that is not there is named, and the code is 3", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const std::string list = work.harness / "names";
  write_file(list, "c.txt\nnot-there\n");
  const ToolRun run = work.backup({"-q", "--files-from", list});
  CHECK(run.code == 3);
  CHECK_THAT(run.err, Contains("not-there"));
}

}  // namespace reverse
