#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "tests/tools/workplace.h"

using Catch::Matchers::Contains;
using Catch::Matchers::Matches;

// find, stats and inventory: what they tell of a repository as it is now, whatever the client
// remembers of it.

namespace reverse {
namespace {

constexpr const char* kAlpha = "9f9f90dbe3e5ee1218c86b8839db1995";  // md5 of "alpha\n"

/// "desk/home": a.txt with two contents over three revisions; "desk/docs": a copy of the first.
struct Kept : Workplace {
  Kept() {
    source.write("docs/a.txt", "alpha\n");
    source.write("docs/b.txt", "bravo\n");
    REQUIRE(backup({"-q", "--label", "home", "--time", "2014-01-05", "--tag", "kept"}).code == 0);
    REQUIRE(backup({"-q", "--label", "home", "--time", "2014-02-05"}).code == 0);
    source.write("docs/a.txt", "another alpha\n");
    REQUIRE(backup({"-q", "--label", "home", "--time", "2014-03-05"}).code == 0);
    source.write("docs/a.txt", "alpha\n");
    REQUIRE(reverse({"-q", "--label", "docs", source / "docs", repo()}).code == 0);
  }
  ToolRun find(Words words) {
    words.insert(words.begin(), {"find", repo()});
    return reverse(words);
  }
  void remove_revisions(const std::string& beginning) {
    for (const auto& file : std::filesystem::directory_iterator(repo() + "/manifests/desk/home"))
      if (file.path().filename().string().starts_with(beginning))
        std::filesystem::remove(file.path());
  }
};

}  // namespace

TEST_CASE("find tells which revisions hold a name, newest and how many", "[tools]") {
  Kept work;
  const ToolRun run = work.find({"a.txt"});
  CHECK(run.code == 0);
  CHECK(run.err.empty());
  const Words lines = lines_of(run.out);
  REQUIRE(lines.size() == 3);
  CHECK_THAT(lines[0], Matches("desk/docs/.*:a\\.txt  6 B, .{16}"));
  CHECK_THAT(lines[1], Matches("desk/home/201402.*:docs/a\\.txt  6 B, .{16}  \\(2 revisions, since "
                               "2014010.T.{6}Z\\)"));
  CHECK_THAT(lines[2], Matches("desk/home/201403.*:docs/a\\.txt  14 B, .{16}"));
}

TEST_CASE("find: patterns, regular expressions, sizes, times and filters", "[tools]") {
  Kept work;
  auto count = [&](const Words& words) { return lines_of(work.find(words).out).size(); };
  CHECK(count({"*.txt"}) == 5);
  CHECK(count({"docs/*.txt"}) == 3);
  CHECK(count({"/docs"}) >= 1);
  CHECK(count({work.source / "docs/b.txt"}) == 2);  // of both sets, by their sources
  CHECK(count({"--regex", "^docs/[ab]\\.txt$"}) == 3);
  CHECK(count({"--larger", "6"}) == 1);
  CHECK(count({"--smaller", "14"}) == 4);
  CHECK(count({"--newer", "1h", "a.txt"}) == 3);
  CHECK(count({"--older", "1h", "a.txt"}) == 0);
  CHECK(count({"--set", "*/docs", "a.txt"}) == 1);
  CHECK(count({"--tag", "kept", "a.txt"}) == 1);
  CHECK(work.find({"-0", "b.txt"}).out == std::string("b.txt\0docs/b.txt\0", 17));
  CHECK(work.find({}).code == 2);
  CHECK(work.find({"--regex", "("}).code == 2);
  CHECK(work.find({"--digest", "xyz"}).code == 2);
  const ToolRun nothing = work.find({"none"});
  CHECK(nothing.code == 0);
  CHECK(nothing.out.empty());
  CHECK(nothing.err == "nothing found\n");
}

TEST_CASE("find --digest tells who ever held a content", "[tools]") {
  Kept work;
  const auto objects = json_lines(work.find({"--json", "--digest", kAlpha}).out);
  REQUIRE(objects.size() == 4);
  CHECK(objects[0]["message_type"] == "node");
  CHECK(objects[0]["path"] == "a.txt");
  CHECK(objects[1]["path"] == "docs/a.txt");
  CHECK(objects[1]["md5"] == kAlpha);
  CHECK(objects[2]["revision"].get<std::string>().starts_with("desk/home/201402"));
  CHECK(objects[3]["message_type"] == "summary");
  CHECK(lines_of(work.find({"--digest", std::string(kAlpha).substr(0, 8)}).out).size() == 2);
}

TEST_CASE("find knows new revisions, and forgets those that are gone", "[tools]") {
  Kept work;
  REQUIRE(lines_of(work.find({"a.txt"}).out).size() == 3);
  work.source.write("docs/a.txt", "and again\n");
  REQUIRE(work.backup({"-q", "--label", "home"}).code == 0);
  CHECK(lines_of(work.find({"a.txt"}).out).size() == 4);
  work.remove_revisions("201403");
  CHECK(lines_of(work.find({"a.txt"}).out).size() == 3);
  work.remove_revisions("2");
  CHECK(lines_of(work.find({"a.txt"}).out).size() == 1);
  // The next one is compared with a revision that is gone.
  REQUIRE(work.backup({"-q", "--label", "home"}).code == 0);
  CHECK(lines_of(work.find({"a.txt"}).out).size() == 2);
}

TEST_CASE("a revision that cannot be read is damage, and the others are searched", "[tools]") {
  Kept work;
  std::filesystem::path head;
  for (const auto& file : std::filesystem::directory_iterator(work.repo() + "/manifests/desk/home"))
    if (file.path().filename().string().starts_with("201402")) head = file.path();
  std::filesystem::permissions(head, std::filesystem::perms::owner_all);
  const std::string whole = read_file(head);
  write_file(head, "nonsense");
  const ToolRun run = work.find({"a.txt"});
  CHECK(run.code == 4);
  CHECK_THAT(run.err, Contains("desk/home/201402"));
  CHECK(lines_of(run.out).size() == 3);
  write_file(head, whole);
  CHECK(work.find({"a.txt"}).code == 0);
  CHECK_THAT(work.find({"a.txt"}).out, Contains("2 revisions"));
}

TEST_CASE("stats tells what is unique, held alone, and changed most", "[tools]") {
  Kept work;
  const auto objects = json_lines(work.reverse({"stats", "--json", work.repo()}).out);
  REQUIRE(objects.size() == 1 + 1 + 3 + 1 + 1);
  CHECK(objects[1]["set"] == "desk/docs");
  CHECK(objects[1]["unique_bytes"] == 12);
  CHECK(objects[4]["alone_bytes"] == 14);
  CHECK(objects[4]["changed_bytes"] == 14);
  CHECK(objects[5]["logical_bytes"] == 12 + 12 + 20);
  CHECK(objects[5]["unique_bytes"] == 26);
  CHECK(objects[5]["most_changed"] == objects[4]["revision"]);
  CHECK(objects[6]["unique_bytes"] == 26);
  CHECK(objects[6]["logical_bytes"] == 56);
  const ToolRun text = work.reverse({"stats", work.repo(), "desk/home"});
  CHECK_THAT(text.out, Contains("3 revisions, 44 B in all their files; different contents: 3, 26 B"));
  CHECK_THAT(text.out, !Contains("desk/docs"));
  CHECK(work.reverse({"stats", work.repo(), "desk/none"}).code == 1);
  CHECK(work.reverse({"stats", work.repo(), "--tag", "kept"}).code == 2);
}

TEST_CASE("inventory lists objects and revisions in the order of bytes", "[tools]") {
  Kept work;
  const ToolRun run = work.reverse({"inventory", work.repo()});
  CHECK(run.code == 0);
  const Words lines = lines_of(run.out);
  CHECK(std::is_sorted(lines.begin(), lines.end()));
  CHECK(lines.front().starts_with("# reverse inventory of "));
  CHECK(std::count(lines.begin(), lines.end(), kAlpha) == 1);
  std::size_t objects = 0;
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(work.repo() + "/objects"))
    objects += file.is_regular_file();
  CHECK(lines.size() == 1 + objects + 4);
  CHECK(std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
          return line.starts_with("desk/home/20140");
        }) == 3);
  const auto json = json_lines(work.reverse({"inventory", "--json", work.repo()}).out);
  CHECK(json.size() == lines.size() + 1);
  CHECK(json[1]["object"] == lines[1]);
}

}  // namespace reverse
