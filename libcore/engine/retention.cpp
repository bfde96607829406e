#include "libcore/engine/retention.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <span>
#include <tuple>

#include <fmt/format.h>

namespace reverse {

namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::array<std::string_view, kPeriods> kWords{"last",   "hourly",  "daily",
                                                        "weekly", "monthly", "yearly"};
constexpr std::int64_t kSecondsOfHour = 3600, kSecondsOfDay = 86'400;
constexpr std::int64_t kMostYear = 30'000;  // the calendar's own limits lie a little farther off

std::int64_t floor_divide(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

/// Days since 1970, kept within what the calendar can tell.
std::int64_t day_of(std::int64_t local_seconds) {
  return std::clamp<std::int64_t>(floor_divide(local_seconds, kSecondsOfDay), -kMostYear * 365,
                                  kMostYear * 365);
}

year_month_day date_of(std::int64_t day) {
  return year_month_day(sys_days(days(day)));
}

std::int64_t month_of(const year_month_day& date) {
  return int(date.year()) * std::int64_t(12) + unsigned(date.month()) - 1;
}

/// A number that revisions of one period share, and others do not.
std::int64_t number_of(Period period, std::int64_t local_seconds, std::size_t place) {
  switch (period) {
    case Period::each:
      return static_cast<std::int64_t>(place);
    case Period::hour:
      return floor_divide(local_seconds, kSecondsOfHour);
    case Period::day:
      return day_of(local_seconds);
    case Period::week:
      return floor_divide(day_of(local_seconds) + 3, 7);  // 1970 began on a Thursday
    case Period::month:
      return month_of(date_of(day_of(local_seconds)));
    case Period::year:
      break;
  }
  return int(date_of(day_of(local_seconds)).year());
}

bool is_checkpoint(const DatedRevision& revision) {
  return revision.outcome == Outcome::checkpoint;
}

std::string set_of(const DatedRevision& revision) {
  return revision.name.substr(0, revision.name.rfind('/'));
}

std::string group_of(const DatedRevision& revision, Grouping grouping) {
  if (grouping == Grouping::none) return "";
  return grouping == Grouping::set ? set_of(revision)
                                   : revision.name.substr(0, revision.name.find('/'));
}

/// One rule at work on the revisions of a group, newest first.
class Rule {
 public:
  Rule(Period period, std::uint64_t count) : period_(period), left_(count), reason_(word()) {}
  Rule(Period period, const Window& window, Timestamp after)
      : period_(period), left_(RetentionRules::kUnlimited), after_(after) {
    reason_ = period == Period::each ? "within" : word() + "-within";
    reason_ += " " + window.text;
  }

  const std::string& name() const { return reason_; }
  const std::optional<Timestamp>& after() const { return after_; }

  /// Whether it keeps `revision`, and in which words. The oldest is kept too while there are places
  /// left, so that history does not end where a period has just begun.
  std::optional<std::string> keeps(const DatedRevision& revision, std::size_t place,
                                   bool is_oldest) {
    if (left_ == 0 || (after_ && revision.started <= *after_)) return std::nullopt;
    std::int64_t number = number_of(period_, revision.started.seconds + revision.offset, place);
    bool is_next = number != last_;
    if (!is_next && !is_oldest) return std::nullopt;
    last_ = number;
    if (left_ != RetentionRules::kUnlimited) --left_;
    return is_next ? reason_ : reason_ + " (oldest)";
  }

 private:
  std::string word() const { return std::string(kWords[static_cast<std::size_t>(period_)]); }

  const Period period_;
  std::uint64_t left_;
  const std::optional<Timestamp> after_;
  std::string reason_;
  std::optional<std::int64_t> last_;  // the period of what it kept last
};

std::vector<Rule> rules_for(const RetentionRules& rules, const DatedRevision& newest) {
  std::vector<Rule> made;
  for (std::size_t i = 0; i < kPeriods; ++i) {
    auto period = static_cast<Period>(i);
    if (rules.counts[i] > 0) made.emplace_back(period, rules.counts[i]);
    if (!rules.windows[i]) continue;
    const Window& window = *rules.windows[i];
    made.emplace_back(period, window, window_start(newest.started, window.length, newest.offset));
  }
  return made;
}

std::vector<std::string> reasons_by_tags(const RetentionRules& rules,
                                         const DatedRevision& revision) {
  std::vector<std::string> reasons;
  for (const std::vector<std::string>& wanted : rules.tags) {
    bool has_all = std::all_of(wanted.begin(), wanted.end(), [&](const std::string& tag) {
      return std::find(revision.tags.begin(), revision.tags.end(), tag) != revision.tags.end();
    });
    if (has_all) reasons.push_back(fmt::format("tag {}", fmt::join(wanted, ",")));
  }
  return reasons;
}

/// Reasons that counts and windows have for a group's revisions, newest first and no checkpoints.
void apply_rules(const RetentionRules& rules, const std::vector<const DatedRevision*>& finished,
                 const std::string& group, std::map<std::string, std::vector<std::string>>& reasons,
                 std::vector<CutOff>& cut_offs) {
  if (finished.empty()) return;
  std::vector<Rule> working = rules_for(rules, *finished.front());
  for (const Rule& rule : working)
    if (rule.after()) cut_offs.push_back({rule.name(), group, *rule.after()});
  for (std::size_t place = 0; place < finished.size(); ++place)
    for (Rule& rule : working)
      if (auto reason = rule.keeps(*finished[place], place, place + 1 == finished.size()))
        reasons[finished[place]->name].push_back(*reason);
}

/// The newest checkpoint of each set stands for the run that made it, until a complete one does.
/// `group` is newest first.
void keep_checkpoints(std::span<const DatedRevision> group,
                      std::map<std::string, std::vector<std::string>>& reasons) {
  std::map<std::string, bool> is_settled;  // by set: the newest that counts was met
  for (const DatedRevision& revision : group) {
    bool& settled = is_settled[set_of(revision)];
    if (!settled && is_checkpoint(revision))
      reasons[revision.name].push_back("checkpoint, nothing complete is newer");
    settled = settled || is_checkpoint(revision) || revision.outcome == Outcome::complete;
  }
}

void judge(const RetentionRules& rules, std::span<const DatedRevision> group, RetentionPlan& plan) {
  std::map<std::string, std::vector<std::string>> reasons;
  std::vector<const DatedRevision*> finished;
  for (const DatedRevision& revision : group) {
    reasons[revision.name] = reasons_by_tags(rules, revision);
    if (!is_checkpoint(revision)) finished.push_back(&revision);
  }
  apply_rules(rules, finished, group_of(group.front(), rules.grouping), reasons, plan.cut_offs);
  keep_checkpoints(group, reasons);
  for (std::size_t i = group.size(); i-- > 0;)
    plan.verdicts.push_back({group[i].name, reasons[group[i].name]});
}

}  // namespace

bool RetentionRules::empty() const {
  return tags.empty() &&
         std::all_of(counts.begin(), counts.end(), [](std::uint64_t n) { return n == 0; }) &&
         std::none_of(windows.begin(), windows.end(), [](auto& window) { return bool(window); });
}

Timestamp window_start(Timestamp time, const CalendarDuration& length, std::int32_t offset) {
  std::int64_t local = time.seconds + offset;
  std::int64_t day = day_of(local);
  year_month_day date = date_of(day);
  std::int64_t month = month_of(date) - length.years * std::int64_t(12) - length.months;
  std::int64_t year = floor_divide(month, 12);
  if (year < -kMostYear) return {std::numeric_limits<std::int64_t>::min(), 0};
  year_month_day first{std::chrono::year(int(year)),
                       std::chrono::month(unsigned(month - year * 12 + 1)), std::chrono::day(1)};
  std::int64_t target = sys_days(first).time_since_epoch().count() + unsigned(date.day()) - 1 -
                        std::int64_t(length.days);
  Timestamp moved = plus_seconds(time, (target - day) * kSecondsOfDay);
  return plus_seconds(moved, -length.rest.count());
}

RetentionPlan apply_retention(const RetentionRules& rules, std::vector<DatedRevision> revisions) {
  for (DatedRevision& revision : revisions)
    revision.started = std::min(revision.started, revision.arrived);
  std::sort(revisions.begin(), revisions.end(), [&](const auto& one, const auto& other) {
    return std::forward_as_tuple(group_of(one, rules.grouping), other.started, other.name) <
           std::forward_as_tuple(group_of(other, rules.grouping), one.started, one.name);
  });
  RetentionPlan plan;
  for (auto begin = revisions.begin(); begin != revisions.end();) {
    std::string group = group_of(*begin, rules.grouping);
    auto end = std::find_if(begin, revisions.end(), [&](const DatedRevision& revision) {
      return group_of(revision, rules.grouping) != group;
    });
    judge(rules, {begin, end}, plan);
    begin = end;
  }
  if (!rules.empty()) return plan;
  for (Verdict& verdict : plan.verdicts) verdict.reasons = {"no rule"};
  return plan;
}

}  // namespace reverse
