#include "libcore/scan/filter.h"

#include <catch2/catch.hpp>

#include "libcore/base/error.h"

using namespace reverse;

namespace {

bool excluded_by(const std::vector<std::string>& patterns, const std::string& path,
                 bool is_directory = false) {
  Filter filter("/home");
  for (const std::string& pattern : patterns) filter.add(pattern);
  return filter.excludes(path, is_directory);
}

}  // namespace

TEST_CASE("paths match patterns component by component", "[scan]") {
  auto [pattern, path, expected] = GENERATE(table<std::string, std::string, bool>({
      {"a", "a", true},
      {"a", "b", false},
      {"a", "a/b", false},
      {"a/b", "a", false},
      {"a/*", "a/b", true},
      {"a/*", "a/b/c", false},
      {"*", "a/b", false},
      {"a*c", "a/c", false},
      {"a?c", "a/c", false},
      {"a?c", "abc", true},
      {"[a-c]/x", "b/x", true},
      {"[!a-c]/x", "b/x", false},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"**", "a/b/c", true},
      {"**/c", "c", true},
      {"**/c", "a/b/c", true},
      {"**/c", "a/b/cc", false},
      {"a/**/d", "a/d", true},
      {"a/**/d", "a/b/c/d", true},
      {"a/**/d", "b/a/d", false},
      {"a/**", "a/b/c", true},
      {"a/**", "b", false},
      {"**/b/**/d", "a/b/c/b/d", true},
      {"**/b/**/d", "a/d/c/b", false},
      {"**/a/b", "a/a/b", true},
      {"", "a", false},
  }));
  CAPTURE(pattern, path);
  CHECK(match_path(pattern, path) == expected);
}

TEST_CASE("a pattern means what restic's users expect", "[scan]") {
  auto [pattern, path, expected] = GENERATE(table<std::string, std::string, bool>({
      {"*.o", "a.o", true},
      {"*.o", "deep/down/a.o", true},
      {"cache", "joe/cache", true},
      {"cache", "joe/cache2", false},
      {"/cache", "cache", true},
      {"/cache", "joe/cache", false},
      {"/joe/cache", "joe/cache", true},
      {"/home/joe/cache", "joe/cache", true},
      {"/home/joe/*", "joe/x", true},
      {"/homes/joe", "joe", false},
      {"joe/cache", "joe/cache", true},
      {"joe/cache", "backup/joe/cache", true},
      {"joe/cache", "joe/x/cache", false},
      {"//joe/./cache", "joe/cache", true},
      {"./cache", "cache", true},
      {"/joe/**/tmp", "joe/a/b/tmp", true},
      {"\\!important", "!important", true},
      {"\\#x", "#x", true},
      {"[[]x", "[x", true},
      {"[]]x", "]x", true},
      {"a\nb", "a\nb", true},
      {"\xff*", "\xff\xfe", true},
  }));
  CAPTURE(pattern, path);
  CHECK(excluded_by({pattern}, path) == expected);
}

TEST_CASE("the last pattern that matches decides", "[scan]") {
  CHECK_FALSE(excluded_by({"*.log", "!keep.log"}, "a/keep.log"));
  CHECK(excluded_by({"*.log", "!keep.log"}, "a/other.log"));
  CHECK(excluded_by({"!keep.log", "*.log"}, "keep.log"));
  CHECK(excluded_by({"*", "!/a", "/a"}, "a"));
}

TEST_CASE("a trailing slash restricts a pattern to directories", "[scan]") {
  CHECK(excluded_by({"build/"}, "x/build", true));
  CHECK_FALSE(excluded_by({"build/"}, "x/build", false));
  CHECK(excluded_by({"/x/build/"}, "x/build", true));
}

TEST_CASE("a source of / takes anchored patterns as they are", "[scan]") {
  Filter filter("/");
  filter.add("/var/cache");
  CHECK(filter.excludes("var/cache", true));
  CHECK_FALSE(filter.excludes("home/var/cache", true));
}

TEST_CASE("pattern files may hold comments, blank lines and carriage returns", "[scan]") {
  Filter filter("/home");
  filter.add_file("# temporary things\n\n  \n*.tmp\r\n  *.bak  \n!keep.bak");
  CHECK(filter.excludes("a.tmp", false));
  CHECK(filter.excludes("a.bak", false));
  CHECK_FALSE(filter.excludes("keep.bak", false));
  CHECK_FALSE(filter.excludes("# temporary things", false));
}

TEST_CASE("patterns that matched nothing are named as they were given", "[scan]") {
  Filter filter("/home");
  for (const char* pattern : {"/home/joe/", "*.o", "!typo", "/joe"}) filter.add(pattern);
  filter.excludes("joe", true);
  CHECK(filter.unmatched() == std::vector<std::string>{"*.o", "!typo"});
  filter.excludes("joe/a.o", false);
  filter.excludes("typo", false);
  CHECK(filter.unmatched().empty());
}

TEST_CASE("a malformed pattern is a usage error that names it", "[scan]") {
  for (const char* pattern : {"", "/", "!", "!/", "[a-z", "a/[b/c]", "ends\\"}) {
    CAPTURE(pattern);
    Filter filter("/home");
    try {
      filter.add(pattern);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::usage);
      CHECK_THAT(error.what(), Catch::Contains(pattern));
    }
  }
}
