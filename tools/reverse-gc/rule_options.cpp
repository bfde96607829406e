#include "tools/reverse-gc/rule_options.h"

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/cli/values.h"

namespace reverse {

namespace {

struct PeriodOption {
  Period period;
  const char* name;  // behind "keep-"
  char letter;       // as restic's and borg's users have it in their fingers
  const char* help;
};

constexpr PeriodOption kPeriodOptions[] = {
    {Period::each, "last", 'l', "the newest N revisions"},
    {Period::hour, "hourly", 'H', "the newest of each of N hours that have any"},
    {Period::day, "daily", 'd', "likewise of days"},
    {Period::week, "weekly", 'w', "likewise of weeks, which begin on Monday"},
    {Period::month, "monthly", 'm', "likewise of months"},
    {Period::year, "yearly", 'y', "likewise of years"},
};

std::uint64_t places_value(const std::string& text) {
  if (text == "unlimited") return RetentionRules::kUnlimited;
  if (const std::optional<std::uint64_t> count = parse_uint(text)) return *count;
  fail(ErrorKind::usage, "'{}' is neither a number nor 'unlimited'", printable(text));
}

/// No window of no length: as a rule it would keep nothing, and look like one that keeps something.
Window window_value(const std::string& text) {
  const Window window{text, calendar_duration_value(text)};
  if (window.length == CalendarDuration{})
    fail(ErrorKind::usage, "'{}' keeps nothing: leave the option out", printable(text));
  return window;
}

std::vector<std::string> tags_value(const std::string& text) {
  std::vector<std::string> tags;
  for (const std::string_view tag : split(text, ',')) {
    if (tag.empty()) fail(ErrorKind::usage, "'{}' has an empty tag", printable(text));
    tags.emplace_back(tag);
  }
  return tags;
}

Grouping grouping_value(const std::string& text) {
  if (text == "set") return Grouping::set;
  if (text == "host") return Grouping::host;
  if (text == "none") return Grouping::none;
  fail(ErrorKind::usage, "'{}' is none of set, host and none", printable(text));
}

}  // namespace

void declare_rules(OptionSet& options, RetentionRules& rules) {
  options.heading("What is kept; without any of these, everything");
  for (const PeriodOption& option : kPeriodOptions) {
    std::uint64_t& count = rules.counts[static_cast<std::size_t>(option.period)];
    options.value({std::string("keep-") + option.name, option.letter, Shown::first}, "N",
                  option.help, [&count](const std::string& text) { count = places_value(text); });
  }
  for (const PeriodOption& option : kPeriodOptions) {
    const bool each = option.period == Period::each;
    std::optional<Window>& window = rules.windows[static_cast<std::size_t>(option.period)];
    options.value({each ? "keep-within" : std::string("keep-within-") + option.name, 0,
                   each ? Shown::first : Shown::in_help},
                  "D",
                  each ? "what is less than D older than the newest (7d, 2m)"
                       : std::string("as --keep-") + option.name + ", within D of the newest",
                  [&window](const std::string& text) { window = window_value(text); });
  }
  options.value({"keep-tag"}, "TAG,...",
                "revisions with all of these tags (repeatable: or all of those)",
                [&rules](const std::string& text) { rules.tags.push_back(tags_value(text)); });
  options.value({"group-by"}, "WHAT",
                "what revisions compete within: set (default), host, or none for all of them",
                [&rules](const std::string& text) { rules.grouping = grouping_value(text); });
}

}  // namespace reverse
