#include "libcore/catalog/history.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "libcore/base/error.h"
#include "libcore/base/temp_dir.h"
#include "tests/catalog/rows.h"

using namespace reverse;

namespace {

using Lines = std::vector<std::string>;

struct Fixture {
  std::unique_ptr<History> open() { return History::open(home.path(), "id-1", warnings.sink()); }

  static PathState file(const std::string& path, const std::string& content,
                        std::uint64_t size = 10) {
    PathState state;
    state.path = path;
    state.size = size;
    state.content = content + std::string(32 - content.size(), '.');
    return state;
  }
  /// "PATH FIRST-LAST" of all that `query` finds, sorted; an open end is `*`.
  static Lines periods(History& history, const PathQuery& query = {}) {
    Lines lines;
    history.visit(query, [&](const PathPeriod& period) {
      std::string last = period.last > 1000 ? "*" : std::to_string(period.last);
      lines.push_back(period.state.path + " " + std::to_string(period.first) + "-" + last);
    });
    std::sort(lines.begin(), lines.end());
    return lines;
  }

  TempDir home;
  Warnings warnings;
};

KnownRevision revision(const std::string& name, std::uint64_t bytes = 0) {
  KnownRevision revision;
  revision.name = name;
  revision.tree = "tree of " + name;
  revision.tags = {"a", "b c"};
  revision.bytes = bytes;
  return revision;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "a path has a row for each run of revisions", "[history]") {
  auto history = open();
  CHECK(history->add(revision("h/l/1"), [&](const KnownRevision* last, auto& recorder) {
    CHECK(last == nullptr);
    recorder.begin(file("a", "1"), true);
    recorder.begin(file("b", "2"), true);
  }));
  CHECK(history->add(revision("h/l/2"), [&](const KnownRevision* last, auto& recorder) {
    REQUIRE(last != nullptr);
    CHECK(last->tree == "tree of h/l/1");
    recorder.end("a");
    recorder.begin(file("a", "3"), true);
  }));
  CHECK(history->add(revision("h/l/3"), [&](const KnownRevision*, auto& recorder) {
    recorder.end("b");
  }));
  history = open();
  CHECK(periods(*history) == Lines{"a 1-1", "a 2-*", "b 1-2"});
  CHECK(history->revisions().size() == 3);
  CHECK(history->revisions()[1].tags == Lines{"a", "b c"});
}

TEST_CASE_METHOD(Fixture, "a revision is added whole, once, or not at all", "[history]") {
  auto history = open();
  CHECK_THROWS_AS(history->add(revision("h/l/1"),
                               [&](const KnownRevision*, auto& recorder) {
                                 recorder.begin(file("a", "1"), true);
                                 fail(ErrorKind::corrupt, "a page");
                               }),
                  Error);
  CHECK(history->revisions().empty());
  CHECK(periods(*history).empty());
  auto add = [&] { return history->add(revision("h/l/1"), [](auto*, auto&) {}); };
  CHECK(add());
  CHECK_FALSE(add());
}

TEST_CASE_METHOD(Fixture, "what only dropped revisions held is dropped too", "[history]") {
  auto history = open();
  history->add(revision("h/l/1"), [&](auto*, auto& to) { to.begin(file("a", "1"), true); });
  history->add(revision("h/l/2"), [&](auto*, auto& to) {
    to.end("a");
    to.begin(file("b", "2"), true);
  });
  history->add(revision("h/l/3"), [&](auto*, auto& to) {
    to.end("b");
    to.begin(file("c", "3"), true);
  });
  history->drop({2, 3});
  CHECK(periods(*history) == Lines{"a 1-1", "c 3-*"});  // the last is what the next differs from
  CHECK(history->revisions().size() == 2);
  history->add(revision("h/l/4"), [&](const KnownRevision* last, auto& to) {
    CHECK(last->is_listed == false);
    to.end_all();
    to.begin(file("d", "4"), true);
  });
  CHECK(periods(*history) == Lines{"a 1-1", "d 4-*"});
}

TEST_CASE_METHOD(Fixture, "states are found by content, size, time and path", "[history]") {
  auto history = open();
  history->add(revision("h/l/1"), [&](auto*, auto& to) {
    PathState old = file("old", "\xff\xff", 5);
    old.mtime = {100, 0};
    to.begin(old, true);
    PathState large = file("large", "x", 50);
    large.mtime = {200, 7};
    to.begin(large, true);
    PathState directory;
    directory.path = "dir\xff/";
    directory.type = FileType::directory;
    to.begin(directory, true);
  });
  auto found = [&](const std::function<void(PathQuery&)>& set) {
    PathQuery query;
    set(query);
    return periods(*history, query);
  };
  CHECK(found([](auto& q) { q.content_prefix = "\xff\xff"; }) == Lines{"old 1-*"});
  CHECK(found([](auto& q) { q.content_prefix = "x...."; }) == Lines{"large 1-*"});
  CHECK(found([](auto& q) { q.larger = 5; }) == Lines{"large 1-*"});
  CHECK(found([](auto& q) { q.smaller = 6; }) == Lines{"dir\xff/ 1-*", "old 1-*"});
  CHECK(found([](auto& q) { q.newer = Timestamp{200, 0}; }) == Lines{"large 1-*"});
  CHECK(found([](auto& q) { q.older = Timestamp{100, 0}; }) == Lines{"dir\xff/ 1-*", "old 1-*"});
  CHECK(found([](auto& q) {
          q.wanted = [](auto, std::string_view path, FileType) { return path == "large"; };
        }) == Lines{"large 1-*"});
}

TEST_CASE_METHOD(Fixture, "amounts: what is unique, held alone, and new", "[history]") {
  auto history = open();
  history->add(revision("h/l/1"), [&](auto*, auto& to) {
    to.begin(file("a", "shared", 100), true);
    to.begin(file("b", "first", 7), true);
  });
  history->add(revision("h/l/2"), [&](auto*, auto& to) {
    to.end("b");
    to.begin(file("b", "second", 20), true);
    to.begin(file("copy", "second", 20), true);
  });
  history->add(revision("h/m/1"), [&](auto*, auto& to) { to.begin(file("z", "shared", 100), true); });
  CHECK(history->total().bytes == 127);
  CHECK(history->total().contents == 3);
  auto sets = history->totals_of_sets();
  REQUIRE(sets.size() == 2);
  CHECK(sets[0].second.bytes == 127);
  CHECK(sets[1].second.bytes == 100);
  auto alone = history->held_alone();
  REQUIRE(alone.size() == 2);
  CHECK(alone[0].second.bytes == 7);
  CHECK(alone[1].second.bytes == 20);
  auto arrivals = history->arrivals();
  REQUIRE(arrivals.size() == 3);
  CHECK(arrivals[1].second.contents == 2);
  history->drop({1});
  CHECK(history->total().bytes == 120);
}
