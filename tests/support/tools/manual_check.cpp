#include "tests/support/tools/manual_check.h"

#include <algorithm>
#include <regex>
#include <set>

namespace reverse {
namespace {

struct WrittenOptions {
  std::set<std::string> all;  ///< anywhere in code
  std::set<std::string>
      claimed;  ///< in inline code that begins with a dash: said to be the tool's own
};

WrittenOptions written_options(const std::string& text) {
  static const std::regex code(R"(```[^`]*```|`[^`\n]+`|\n    [^\n]*)");
  static const std::regex option(R"((^|[\s`(/\[=,|{])(--?[A-Za-z0-9][A-Za-z0-9-]*))");
  WrittenOptions written;
  for (std::sregex_iterator piece(text.begin(), text.end(), code), end; piece != end; ++piece) {
    const std::string quoted = piece->str();
    const bool claims = quoted.starts_with("`-");
    for (std::sregex_iterator hit(quoted.begin(), quoted.end(), option); hit != end; ++hit) {
      written.all.insert((*hit)[2]);
      if (claims) written.claimed.insert((*hit)[2]);
    }
  }
  return written;
}

/// Each way to write an option, the dashes included.
std::vector<std::string> spellings(const OptionDoc& doc) {
  std::vector<std::string> names;
  if (!doc.name.name.empty()) names.push_back("--" + doc.name.name);
  if (!doc.name.alias.empty()) names.push_back("--" + doc.name.alias);
  if (doc.name.letter != 0) names.push_back(std::string("-") + doc.name.letter);
  return names;
}

}  // namespace

std::vector<std::string> manual_differences(const std::string& manual_text,
                                            const std::vector<const ToolSpec*>& tools) {
  const WrittenOptions written = written_options(manual_text);
  std::set<std::string> known, missing;
  for (const ToolSpec* tool : tools) {
    for (const OptionDoc& doc : tool_options(*tool)) {
      for (const std::string& name : spellings(doc)) {
        known.insert(name);
        if (!doc.reserved && written.all.count(name) == 0) missing.insert(name);
      }
    }
  }
  std::vector<std::string> differences;
  for (const std::string& name : missing) differences.push_back(name + " is not in the manual");
  for (const std::string& name : written.claimed)
    if (known.count(name) == 0) differences.push_back(name + " is in the manual, but no option");
  return differences;
}

}  // namespace reverse
