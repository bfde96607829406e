#include "libcore/engine/retention.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

namespace reverse {
namespace {

using Names = std::vector<std::string>;

Timestamp at(const std::string& text) {
  const std::optional<Timestamp> time = parse_rfc3339(text);
  REQUIRE(time);
  return *time;
}

/// A revision of `set` started at an RFC 3339 time, which is also what its name ends in.
DatedRevision made(const std::string& set, const std::string& time,
                   Outcome outcome = Outcome::complete, Names tags = {}) {
  const Timestamp started = at(time);
  const std::string local = time.substr(0, 19) + "Z";
  const auto offset = static_cast<std::int32_t>(at(local).seconds - started.seconds);
  return {set + "/" + time, started, offset, plus_seconds(started, 60), outcome, std::move(tags)};
}

std::vector<DatedRevision> made_at(const Names& times, const std::string& set = "desk/docs") {
  std::vector<DatedRevision> revisions;
  for (const std::string& time : times) revisions.push_back(made(set, time));
  return revisions;
}

RetentionRules keep(Period period, std::uint64_t count) {
  RetentionRules rules;
  rules.counts[static_cast<std::size_t>(period)] = count;
  return rules;
}

RetentionRules keep_within(const std::string& length, Period period = Period::each) {
  RetentionRules rules;
  rules.windows[static_cast<std::size_t>(period)] = {length, calendar_duration_value(length)};
  return rules;
}

/// What is kept and why, by the part of the name behind the set.
std::map<std::string, Names> kept(const RetentionRules& rules,
                                  const std::vector<DatedRevision>& revisions) {
  std::map<std::string, Names> reasons;
  for (const Verdict& verdict : apply_retention(rules, revisions).verdicts)
    if (!verdict.reasons.empty())
      reasons[verdict.revision.substr(verdict.revision.rfind('/') + 1)] = verdict.reasons;
  return reasons;
}

Names kept_names(const RetentionRules& rules, const std::vector<DatedRevision>& revisions) {
  Names names;
  for (const auto& [name, reasons] : kept(rules, revisions)) names.push_back(name);
  return names;
}

TEST_CASE("without rules every revision is kept", "[engine][retention]") {
  CHECK(RetentionRules{}.empty());
  CHECK(kept(RetentionRules{}, made_at({"2014-01-25T10:00:00Z", "2014-01-26T10:00:00Z"})).size() ==
        2);
  CHECK(apply_retention(RetentionRules{}, {}).verdicts.empty());
  CHECK(apply_retention(keep(Period::day, 1), {}).verdicts.empty());
  CHECK_FALSE(keep_within("1y").empty());
}

TEST_CASE("the newest of each period is kept, so many times", "[engine][retention]") {
  struct Case {
    Period period;
    std::uint64_t count;
    Names times, kept;
  };
  const std::vector<Case> cases{
      {Period::each,
       2,
       {"2014-01-25T10:00:00Z", "2014-01-25T10:00:01Z", "2014-01-25T10:00:02Z"},
       {"2014-01-25T10:00:01Z", "2014-01-25T10:00:02Z"}},
      {Period::hour,
       2,
       {"2014-01-25T09:59:59Z", "2014-01-25T10:00:00Z", "2014-01-25T10:59:59Z",
        "2014-01-25T11:00:00Z"},
       {"2014-01-25T10:59:59Z", "2014-01-25T11:00:00Z"}},
      {Period::day,
       2,
       {"2014-01-24T12:00:00Z", "2014-01-25T00:00:00Z", "2014-01-25T23:59:59Z",
        "2014-01-26T00:00:00Z"},
       {"2014-01-25T23:59:59Z", "2014-01-26T00:00:00Z"}},
      {Period::month,
       2,
       {"2013-12-31T00:00:00Z", "2014-01-01T00:00:00Z", "2014-01-31T23:59:59Z",
        "2014-02-01T00:00:00Z"},
       {"2014-01-31T23:59:59Z", "2014-02-01T00:00:00Z"}},
      {Period::year,
       2,
       {"2012-06-01T00:00:00Z", "2013-01-01T00:00:00Z", "2013-12-31T23:59:59Z",
        "2014-01-01T00:00:00Z"},
       {"2013-12-31T23:59:59Z", "2014-01-01T00:00:00Z"}},
  };
  for (const Case& one : cases) {
    CAPTURE(int(one.period));
    CHECK(kept_names(keep(one.period, one.count), made_at(one.times)) == one.kept);
  }
}

TEST_CASE("weeks begin on Monday and do not end with the year", "[engine][retention]") {
  // 2014-12-29 is the Monday of the week that 2015-01-04, a Sunday, ends.
  const std::vector<DatedRevision> revisions =
      made_at({"2014-12-22T12:00:00Z", "2014-12-28T23:59:59Z", "2014-12-29T00:00:00Z",
               "2015-01-01T00:00:00Z", "2015-01-04T23:59:59Z", "2015-01-05T00:00:00Z"});
  CHECK(kept_names(keep(Period::week, 3), revisions) ==
        Names{"2014-12-28T23:59:59Z", "2015-01-04T23:59:59Z", "2015-01-05T00:00:00Z"});
}

TEST_CASE("times before 1970 lie in periods too", "[engine][retention]") {
  const std::vector<DatedRevision> revisions =
      made_at({"1969-12-28T12:00:00Z", "1969-12-29T00:00:00Z", "1969-12-31T23:00:00Z",
               "1970-01-04T00:00:00Z"});
  CHECK(kept_names(keep(Period::week, 1), revisions) == Names{"1970-01-04T00:00:00Z"});
  CHECK(kept_names(keep(Period::year, 1), revisions) == Names{"1970-01-04T00:00:00Z"});
  CHECK(kept_names(keep(Period::month, 2), revisions) ==
        Names{"1969-12-31T23:00:00Z", "1970-01-04T00:00:00Z"});
}

TEST_CASE("what day it was is decided where the revision was made", "[engine][retention]") {
  // One hour apart, and in Tokyo on two days; in UTC on one.
  const Names tokyo{"2014-01-25T23:30:00+09:00", "2014-01-26T00:30:00+09:00"};
  const Names utc{"2014-01-25T14:30:00Z", "2014-01-25T15:30:00Z"};
  CHECK(kept_names(keep(Period::day, 2), made_at(tokyo)).size() == 2);
  CHECK(kept(keep(Period::day, 2), made_at(utc)).at(utc[0]) == Names{"daily (oldest)"});
  CHECK(kept_names(keep(Period::day, 1), made_at(utc)) == Names{utc[1]});
  // A machine that moved west lives through one day twice.
  CHECK(
      kept_names(keep(Period::day, 2), made_at({"2014-01-24T10:00:00Z", "2014-01-26T00:30:00+09:00",
                                                "2014-01-25T20:30:00-08:00"})) ==
      Names{"2014-01-25T20:30:00-08:00", "2014-01-26T00:30:00+09:00"});
}

TEST_CASE("while a rule has places left, the oldest revision has one", "[engine][retention]") {
  const Names times{"2014-01-25T08:00:00Z", "2014-01-25T09:00:00Z", "2014-01-26T09:00:00Z"};
  CHECK(kept(keep(Period::day, 3), made_at(times)) ==
        std::map<std::string, Names>{
            {times[0], {"daily (oldest)"}}, {times[1], {"daily"}}, {times[2], {"daily"}}});
  CHECK(kept_names(keep(Period::day, 2), made_at(times)) == Names{times[1], times[2]});
}

TEST_CASE("rules are added up and take no places from each other", "[engine][retention]") {
  RetentionRules rules = keep(Period::day, 1);
  rules.counts[static_cast<std::size_t>(Period::month)] = 2;
  const Names times{"2013-12-24T10:00:00Z", "2014-01-24T10:00:00Z", "2014-01-25T10:00:00Z"};
  CHECK(kept(rules, made_at(times)) ==
        std::map<std::string, Names>{{times[0], {"monthly"}}, {times[2], {"daily", "monthly"}}});
}

TEST_CASE("a rule without limit keeps the newest of every period", "[engine][retention]") {
  const Names times{"2010-01-01T10:00:00Z", "2012-01-01T10:00:00Z", "2012-02-01T10:00:00Z"};
  CHECK(kept_names(keep(Period::year, RetentionRules::kUnlimited), made_at(times)) ==
        Names{times[0], times[2]});
}

TEST_CASE("periods without revisions take no places", "[engine][retention]") {
  const Names times{"2000-01-01T10:00:00Z", "2005-01-01T10:00:00Z", "2014-01-01T10:00:00Z"};
  CHECK(kept_names(keep(Period::day, 2), made_at(times)) == Names{times[1], times[2]});
}

TEST_CASE("a window reaches back from the newest revision, not from today", "[engine][retention]") {
  const Names times{"2013-01-25T09:59:59Z", "2013-01-25T10:00:00Z", "2013-01-25T10:00:01Z",
                    "2014-01-25T10:00:00Z"};
  CHECK(kept(keep_within("1y"), made_at(times)) ==
        std::map<std::string, Names>{{times[2], {"within 1y"}}, {times[3], {"within 1y"}}});
  const RetentionPlan plan = apply_retention(keep_within("1y"), made_at(times));
  REQUIRE(plan.cut_offs.size() == 1);
  CHECK(plan.cut_offs[0].rule == "within 1y");
  CHECK(plan.cut_offs[0].group == "desk/docs");
  CHECK(plan.cut_offs[0].time == at("2013-01-25T10:00:00Z"));
}

TEST_CASE("a window of periods keeps the newest of each that lies in it", "[engine][retention]") {
  const Names times{"2014-01-10T10:00:00Z", "2014-01-24T09:00:00Z", "2014-01-24T10:00:00Z",
                    "2014-01-25T10:00:00Z"};
  CHECK(kept(keep_within("7d", Period::day), made_at(times)) ==
        std::map<std::string, Names>{{times[2], {"daily-within 7d"}},
                                     {times[3], {"daily-within 7d"}}});
  CHECK(kept_names(keep_within("1m", Period::year), made_at(times)) ==
        Names{times[0], times[3]});  // the oldest, since it lies in the window
}

TEST_CASE("months are calendar months, counted in the newest revision's zone",
          "[engine][retention]") {
  const auto start = [](const std::string& time, const std::string& length, int hours = 0) {
    return window_start(at(time), calendar_duration_value(length), hours * 3600);
  };
  CHECK(start("2014-03-15T10:00:00Z", "1m") == at("2014-02-15T10:00:00Z"));
  CHECK(start("2014-03-31T10:00:00Z", "1m") == at("2014-03-03T10:00:00Z"));
  CHECK(start("2016-02-29T10:00:00Z", "1y") == at("2015-03-01T10:00:00Z"));
  CHECK(start("2014-01-31T10:00:00Z", "13m") == at("2012-12-31T10:00:00Z"));
  CHECK(start("2014-03-15T10:00:00Z", "1y2m3d4h") == at("2013-01-12T06:00:00Z"));
  CHECK(start("2014-03-15T10:00:00Z", "2w") == at("2014-03-01T10:00:00Z"));
  CHECK(start("2014-02-28T23:30:00Z", "1m", 1) == at("2014-01-31T23:30:00Z"));
  CHECK(start("1970-01-31T00:00:00Z", "2m") == at("1969-12-01T00:00:00Z"));
  CHECK(start("2014-03-15T10:00:00Z", "99999y").seconds < at("0001-01-01T00:00:00Z").seconds);
}

TEST_CASE("a tag keeps whatever else is said", "[engine][retention]") {
  std::vector<DatedRevision> revisions =
      made_at({"2014-01-24T10:00:00Z", "2014-01-25T10:00:00Z", "2014-01-26T10:00:00Z"});
  revisions[0].tags = {"keep", "year"};
  revisions[1].tags = {"keep"};
  RetentionRules rules = keep(Period::each, 1);
  rules.tags = {{"keep", "year"}, {"other"}};
  CHECK(kept(rules, revisions) ==
        std::map<std::string, Names>{{"2014-01-24T10:00:00Z", {"tag keep,year"}},
                                     {"2014-01-26T10:00:00Z", {"last"}}});
  rules.tags = {{"keep"}};
  CHECK(kept(rules, revisions).size() == 3);
}

TEST_CASE("sets, hosts or all revisions compete for places", "[engine][retention]") {
  std::vector<DatedRevision> revisions;
  for (const char* set : {"desk/docs", "desk/mail", "lap/docs"})
    for (const char* time : {"2014-01-25T10:00:00Z", "2014-01-26T10:00:00Z"})
      revisions.push_back(made(set, time));
  const auto count = [&](Grouping grouping) {
    RetentionRules rules = keep(Period::each, 1);
    rules.grouping = grouping;
    std::size_t kept = 0;
    for (const Verdict& verdict : apply_retention(rules, revisions).verdicts)
      kept += verdict.reasons.empty() ? 0 : 1;
    return kept;
  };
  CHECK(count(Grouping::set) == 3);
  CHECK(count(Grouping::host) == 2);
  CHECK(count(Grouping::none) == 1);
}

TEST_CASE("verdicts come group by group, oldest first, whatever order revisions had",
          "[engine][retention]") {
  std::vector<DatedRevision> revisions{
      made("lap/docs", "2014-01-01T00:00:00Z"), made("desk/docs", "2014-01-03T00:00:00Z"),
      made("desk/docs", "2014-01-02T00:00:00Z"), made("desk/docs", "2014-01-02T00:00:00Z")};
  const RetentionRules rules = keep(Period::day, 1);
  Names first;
  for (const Verdict& verdict : apply_retention(rules, revisions).verdicts)
    first.push_back(verdict.revision);
  CHECK(first == Names{"desk/docs/2014-01-02T00:00:00Z", "desk/docs/2014-01-02T00:00:00Z",
                       "desk/docs/2014-01-03T00:00:00Z", "lap/docs/2014-01-01T00:00:00Z"});
  std::reverse(revisions.begin(), revisions.end());
  Names second;
  for (const Verdict& verdict : apply_retention(rules, revisions).verdicts)
    second.push_back(verdict.revision);
  CHECK(first == second);
}

TEST_CASE("a revision dated after it arrived counts as made when it arrived",
          "[engine][retention]") {
  std::vector<DatedRevision> revisions =
      made_at({"2014-01-24T10:00:00Z", "2014-01-25T10:00:00Z", "2038-01-01T10:00:00Z"});
  revisions[2].arrived = at("2014-01-24T18:00:00Z");
  CHECK(kept_names(keep(Period::each, 1), revisions) == Names{"2014-01-25T10:00:00Z"});
  CHECK(kept_names(keep_within("2d"), revisions).size() == 3);
  CHECK(kept_names(keep(Period::day, 2), revisions) ==
        Names{"2014-01-25T10:00:00Z", "2038-01-01T10:00:00Z"});
}

TEST_CASE(
    "checkpoints take no places, and the newest of a set stays until something complete is newer",
    "[engine][retention]") {
  std::vector<DatedRevision> revisions{
      made("desk/docs", "2014-01-20T10:00:00Z"),
      made("desk/docs", "2014-01-21T10:00:00Z", Outcome::checkpoint),
      made("desk/docs", "2014-01-22T10:00:00Z", Outcome::incomplete),
      made("desk/docs", "2014-01-23T10:00:00Z", Outcome::checkpoint),
      made("desk/docs", "2014-01-24T10:00:00Z", Outcome::incomplete),
      made("desk/mail", "2014-01-19T10:00:00Z", Outcome::checkpoint)};
  RetentionRules rules = keep(Period::each, 1);
  CHECK(kept(rules, revisions) ==
        std::map<std::string, Names>{
            {"2014-01-24T10:00:00Z", {"last"}},
            {"2014-01-23T10:00:00Z", {"checkpoint, nothing complete is newer"}},
            {"2014-01-19T10:00:00Z", {"checkpoint, nothing complete is newer"}}});
  rules.grouping = Grouping::none;
  CHECK(kept(rules, revisions).size() == 3);
  revisions.push_back(made("desk/docs", "2014-01-25T10:00:00Z"));
  CHECK(kept_names(rules, revisions) == Names{"2014-01-19T10:00:00Z", "2014-01-25T10:00:00Z"});
  revisions[1].tags = {"precious"};
  rules.tags = {{"precious"}};
  CHECK(kept(rules, revisions).at("2014-01-21T10:00:00Z") == Names{"tag precious"});
}

TEST_CASE("checkpoints do not shift a window", "[engine][retention]") {
  const std::vector<DatedRevision> revisions{
      made("desk/docs", "2014-01-20T10:00:00Z"),
      made("desk/docs", "2014-03-20T10:00:00Z", Outcome::checkpoint)};
  CHECK(kept_names(keep_within("7d"), revisions).size() == 2);
}

}  // namespace
}  // namespace reverse
