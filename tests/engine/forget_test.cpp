#include "libcore/engine/forget.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "tests/engine/gc_scene.h"

using Catch::Matchers::Contains;

namespace reverse {
namespace {

namespace fs = std::filesystem;

using Names = std::vector<std::string>;

/// A small tree that is backed up at times of the test's choice.
struct Past {
  Past() { source.write("file", "content"); }

  std::string back_up(const std::string& time, const std::string& label = "docs",
                      const Names& tags = {}) {
    BackupOptions options = Client::options(source.path());
    options.time = parse_rfc3339(time);
    options.label = label;
    options.tags = tags;
    return client.back_up(place, options).head.revision();
  }
  RuledRevisions rule(const RetentionRules& rules, const RevisionFilter& filter = {},
                      const std::set<std::string>& allow = {}) const {
    const auto backend = place.connect();
    return apply_rules(Repository::open(*backend, true), rules, filter, allow, {});
  }
  Names forget(const Names& revisions, const std::set<std::string>& allow = {},
               bool dry_run = false) const {
    const auto backend = place.connect();
    return forget_revisions(Repository::open(*backend, true), revisions, allow, dry_run);
  }
  bool unforget(const std::string& revision, bool dry_run = false) const {
    const auto backend = place.connect();
    return unforget_revision(Repository::open(*backend, true), revision, dry_run);
  }

  TempTree source;
  Place place;
  Client client;
};

RetentionRules keep_last(std::uint64_t count) {
  RetentionRules rules;
  rules.counts[0] = count;
  return rules;
}

RetentionRules keep_tagged(const std::string& tag) {
  RetentionRules rules;
  rules.tags = {{tag}};
  return rules;
}

TEST_CASE("rules say of every revision why it stays, and which may go") {
  Past f;
  const std::string first = f.back_up("2014-01-24T10:00:00+01:00");
  const std::string second = f.back_up("2014-01-25T10:00:00+01:00");
  const std::string mail = f.back_up("2014-01-20T10:00:00+01:00", "mail");
  const RuledRevisions ruled = f.rule(keep_last(1));
  CHECK(ruled.forget == Names{first});
  CHECK(ruled.marked.empty());
  REQUIRE(ruled.plan.verdicts.size() == 3);
  CHECK(ruled.plan.verdicts[0].revision == first);
  CHECK(ruled.plan.verdicts[1].reasons == Names{"last"});
  CHECK(ruled.plan.verdicts[2].revision == mail);
  CHECK_FALSE(is_marked(f.place, first));
}

TEST_CASE("a marked revision takes no place from those that stay") {
  Past f;
  const std::string first = f.back_up("2014-01-24T10:00:00Z");
  const std::string second = f.back_up("2014-01-25T10:00:00Z");
  const std::string third = f.back_up("2014-01-26T10:00:00Z");
  REQUIRE(f.forget({third}) == Names{third});
  const RuledRevisions ruled = f.rule(keep_last(1));
  CHECK(ruled.forget == Names{first});
  REQUIRE(ruled.marked.size() == 1);
  CHECK(ruled.marked[0].revision == third);
}

TEST_CASE("rules act only on what the filter leaves") {
  Past f;
  const std::string old_docs = f.back_up("2014-01-24T10:00:00Z");
  f.back_up("2014-01-25T10:00:00Z");
  f.back_up("2014-01-24T10:00:00Z", "mail");
  const std::string tagged = f.back_up("2014-01-25T10:00:00Z", "mail", {"x"});
  f.back_up("2014-01-26T10:00:00Z", "mail", {"x"});
  CHECK(f.rule(keep_last(1), {{"*/docs"}, {}, {}}).forget == Names{old_docs});
  CHECK(f.rule(keep_last(1), {{}, {}, {"x"}}).forget == Names{tagged});
  CHECK(f.rule(keep_last(1), {{"*/none"}, {}, {}}).plan.verdicts.empty());
}

TEST_CASE("the day of a revision is that of the machine it was made on") {
  Past f;
  const char* zone = std::getenv("TZ");
  const std::string before = zone == nullptr ? "" : zone;
  ::setenv("TZ", "JST-9", 1);
  ::tzset();
  f.back_up("2014-01-25T23:30:00+09:00");
  f.back_up("2014-01-26T00:30:00+09:00");
  zone == nullptr ? ::unsetenv("TZ") : ::setenv("TZ", before.c_str(), 1);
  ::tzset();
  RetentionRules rules;
  rules.counts[static_cast<std::size_t>(Period::day)] = 2;
  const RuledRevisions ruled = f.rule(rules);
  REQUIRE(ruled.plan.verdicts.size() == 2);
  CHECK(ruled.plan.verdicts[0].reasons == Names{"daily"});
}

TEST_CASE("a revision from the future counts as of when it arrived") {
  Past f;
  const std::string first = f.back_up("2014-01-24T10:00:00Z");
  const std::string future = f.back_up("2099-01-01T10:00:00Z");
  const std::string last = f.back_up("2014-01-26T10:00:00Z");
  fs::last_write_time(f.place.path() + "/manifests/" + future + ".yaml",
                      fs::file_time_type::clock::now() - std::chrono::hours(24 * 365 * 20));
  CHECK(f.rule(keep_last(1)).forget == Names{first, future});
}

TEST_CASE("rules never leave a set without a revision, unless told to") {
  Past f;
  const std::string docs = f.back_up("2014-01-24T10:00:00Z", "docs", {"keep"});
  const std::string mail = f.back_up("2014-01-24T10:00:00Z", "mail");
  CHECK_THROWS_WITH(f.rule(keep_tagged("keep")),
                    Contains("desk/mail") && Contains("--allow last"));
  CHECK(f.rule(keep_tagged("keep"), {}, {"last"}).forget == Names{mail});
  // What a filter leaves out is left.
  f.back_up("2014-01-25T10:00:00Z", "mail", {"other"});
  CHECK(f.rule(keep_tagged("keep"), {{}, {}, {"nothing"}}).forget.empty());
}

TEST_CASE("an unreadable head stops everything before a mark is made") {
  Past f;
  f.back_up("2014-01-24T10:00:00Z");
  const std::string last = f.back_up("2014-01-25T10:00:00Z");
  replace_file(f.place.path() + "/manifests/" + last + ".yaml", "torn");
  try {
    f.rule(keep_last(1));
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt);
    CHECK_THAT(error.what(), Contains(last));
  }
}

TEST_CASE("named revisions are marked and taken back") {
  Past f;
  const std::string first = f.back_up("2014-01-24T10:00:00Z");
  const std::string second = f.back_up("2014-01-25T10:00:00Z");
  f.back_up("2014-01-26T10:00:00Z");
  CHECK(f.forget({first}, {}, true) == Names{first});
  CHECK_FALSE(is_marked(f.place, first));
  CHECK(f.forget({second, first, second}) == Names{first, second});
  CHECK(f.forget({first, second}).empty());
  CHECK(is_marked(f.place, first));
  CHECK(f.unforget(first, true));
  CHECK(is_marked(f.place, first));
  CHECK(f.unforget(first));
  CHECK_FALSE(is_marked(f.place, first));
  CHECK_FALSE(f.unforget(first));
  CHECK(is_marked(f.place, second));
}

TEST_CASE("the last revision of a set is not forgotten, alone or with the others") {
  Past f;
  const std::string first = f.back_up("2014-01-24T10:00:00Z");
  const std::string second = f.back_up("2014-01-25T10:00:00Z");
  try {
    f.forget({first, second});
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::refused);
  }
  CHECK_FALSE(is_marked(f.place, first));
  f.forget({first});
  CHECK_THROWS_WITH(f.forget({second}), Contains("--allow last"));
  CHECK(f.forget({second}, {"last"}) == Names{second});
}

TEST_CASE("what cannot be read does not count as what is left of a set") {
  Past f;
  const std::string first = f.back_up("2014-01-24T10:00:00Z");
  const std::string second = f.back_up("2014-01-25T10:00:00Z");
  replace_file(f.place.path() + "/manifests/" + first + ".yaml", "torn");
  CHECK_THROWS_WITH(f.forget({second}), Contains("--allow last"));
}

TEST_CASE("once gc has taken a mark, taking it back fails and says so") {
  Past f;
  const std::string first = f.back_up("2014-01-24T10:00:00Z");
  f.back_up("2014-01-25T10:00:00Z");
  f.forget({first});
  // What a gc leaves that was killed behind the first of the two moves.
  const std::string run = f.place.path() + "/trash/" + std::string(32, 'a') + "/";
  std::string name = first + ".mark";
  std::replace(name.begin(), name.end(), '/', '@');
  fs::create_directories(run);
  fs::rename(f.place.path() + "/forgotten/" + first, run + name);
  CHECK_THROWS_WITH(f.unforget(first), Contains("cannot be taken back"));
}

}  // namespace
}  // namespace reverse
