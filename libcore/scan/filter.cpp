#include "libcore/scan/filter.h"

#include <optional>
#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {

namespace {

/// Cuts the first component off `rest`, with the slash after it.
std::string_view take_component(std::string_view& rest) {
  std::size_t slash = rest.find('/');
  std::string_view component = rest.substr(0, slash);
  rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  return component;
}

/// Where the class that opens at `open` ends; npos if it does not. A `]` right after the opening is
/// a member.
std::size_t class_end(std::string_view component, std::size_t open) {
  std::size_t at = open + 1;
  if (at < component.size() && (component[at] == '!' || component[at] == '^')) ++at;
  for (std::size_t first = at; at < component.size(); ++at) {
    if (component[at] == ']' && at > first) return at;
    if (component[at] == '\\') ++at;
  }
  return std::string_view::npos;
}

bool is_well_formed(std::string_view component) {
  for (std::size_t at = 0; at < component.size(); ++at) {
    if (component[at] == '\\' && ++at == component.size())
      return false;  // also skips what is quoted
    else if (component[at] == '[')
      at = class_end(component, at);
    if (at == std::string_view::npos) return false;
  }
  return true;
}

std::string_view trim(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r";
  std::size_t begin = line.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

Filter::Filter(std::string source) : source_(std::move(source)) {
  while (source_.ends_with('/')) source_.pop_back();
}

void Filter::add(std::string_view given) {
  Rule rule;
  rule.given = given;
  std::string_view rest = given;
  if (rest.starts_with('!')) {
    rule.include = true;
    rest.remove_prefix(1);
  }
  if (rest.starts_with(source_ + "/")) rest.remove_prefix(source_.size());
  bool anchored = rest.starts_with('/');
  rule.directories_only = rest.ends_with('/');
  std::size_t components = 0;
  while (!rest.empty()) {
    std::string_view component = take_component(rest);
    if (component.empty() || component == ".") continue;
    if (!is_well_formed(component))
      fail(ErrorKind::usage, "pattern '{}': a '[' without its ']', or a '\\' at an end", given);
    if (components++ > 0) rule.pattern += '/';
    rule.pattern += component;
  }
  if (components == 0) fail(ErrorKind::usage, "pattern '{}' names nothing", given);
  rule.name_only = !anchored && components == 1;
  rule.literal = rule.pattern.find_first_of("*?[\\") == std::string::npos;
  if (!anchored && !rule.name_only) {
    rule.pattern.insert(0, "**/");
    rule.literal = false;
  }
  rules_.push_back(std::move(rule));
}

void Filter::add_file(std::string_view text) {
  for (std::string_view line : split(text, '\n')) {
    line = trim(line);
    if (!line.empty() && line.front() != '#') add(line);
  }
}

bool Filter::excludes(std::string_view path, bool is_directory) {
  std::string_view name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  bool excluded = false;
  for (Rule& rule : rules_) {
    if (rule.directories_only && !is_directory) continue;
    std::string_view subject = rule.name_only ? name : path;
    bool matches = rule.literal     ? subject == rule.pattern
                   : rule.name_only ? glob_match(rule.pattern, subject)
                                    : match_path(rule.pattern, subject);
    if (!matches) continue;
    rule.matched = true;
    excluded = !rule.include;
  }
  return excluded;
}

std::vector<std::string> Filter::unmatched() const {
  std::vector<std::string> given;
  for (const Rule& rule : rules_)
    if (!rule.matched) given.push_back(rule.given);
  return given;
}

bool match_path(std::string_view pattern, std::string_view path) {
  // A glob over components instead of characters: after a mismatch the latest `**` takes one more.
  struct Retry {
    std::string_view pattern, path;
  };
  std::optional<Retry> retry;
  while (!path.empty()) {
    std::string_view later_pattern = pattern, later_path = path;
    std::string_view component = take_component(later_pattern);
    if (component == "**") {
      pattern = later_pattern;
      retry = {pattern, path};
    } else if (!component.empty() && glob_match(component, take_component(later_path))) {
      pattern = later_pattern;
      path = later_path;
    } else if (retry) {
      take_component(retry->path);
      pattern = retry->pattern;
      path = retry->path;
    } else {
      return false;
    }
  }
  while (!pattern.empty())
    if (take_component(pattern) != "**") return false;
  return true;
}

}  // namespace reverse
