#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/calendar.h"
#include "libcore/base/timestamp.h"
#include "libcore/store/head.h"

namespace reverse {

/// What a rule keeps the newest of. `each` makes every revision a period of its own.
enum class Period : std::uint8_t { each, hour, day, week, month, year };
inline constexpr std::size_t kPeriods = 6;

/// Which revisions compete for the places that rules give.
enum class Grouping : std::uint8_t { set, host, none };

/// How far back a rule reaches, from the newest revision of a group.
struct Window {
  std::string text;  ///< as it was asked for
  CalendarDuration length;
};

/// What is kept, in restic's meaning: a revision is kept if any rule keeps it, and no rule takes
/// another one's places away. Periods are those of the revision's own zone, weeks ISO's.
struct RetentionRules {
  static constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

  /// Of each period the newest, so many times. 0: no such rule.
  std::array<std::uint64_t, kPeriods> counts{};
  /// Of each period the newest, as long as it lies in the window.
  std::array<std::optional<Window>, kPeriods> windows{};
  /// Revisions that have all tags of one of these lists.
  std::vector<std::vector<std::string>> tags;
  Grouping grouping = Grouping::set;

  /// True if there is no rule: then nothing may go.
  bool empty() const;
};

/// What rules look at in a revision.
struct DatedRevision {
  std::string name;  ///< "HOST/LABEL/NAME"
  Timestamp started;
  std::int32_t offset = 0;  ///< seconds east of UTC where it was made
  Timestamp arrived;        ///< by the repository's clock
  Outcome outcome = Outcome::complete;
  std::vector<std::string> tags;
};

struct Verdict {
  std::string revision;
  std::vector<std::string> reasons;  ///< rules that keep it; none: it may go
};

/// Where the window of a rule ends in a group.
struct CutOff {
  std::string rule;   ///< "within 1y", "daily-within 7d"
  std::string group;  ///< set or host; empty if there is one group
  Timestamp time;     ///< what is later is kept
};

struct RetentionPlan {
  std::vector<Verdict> verdicts;  ///< group by group, each oldest first
  std::vector<CutOff> cut_offs;
};

/// Applies `rules` to `revisions`, in whatever order those are. A revision that claims to have been
/// made after it arrived counts as made then. Checkpoints take no places: the newest of each set is
/// kept until something complete is newer, others only by their tags. Without rules all are kept,
/// for no reason in particular.
RetentionPlan apply_retention(const RetentionRules& rules, std::vector<DatedRevision> revisions);

/// `time` moved back in a zone `offset` seconds east of UTC, as Go's AddDate does, and so restic:
/// a day that the month reached does not have becomes one of the next ("2014-03-31" less a month
/// is 2014-03-03).
Timestamp window_start(Timestamp time, const CalendarDuration& length, std::int32_t offset);

}  // namespace reverse
