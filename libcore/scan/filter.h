#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reverse {

/// Which names of a source are left out. Rules: tools/reverse-backup/manual.md, "Patterns"; last match wins.
/// One thread at a time (it counts matches).
class Filter {
 public:
  /// `source`: the source's absolute path, so that anchored patterns may be written out with it.
  explicit Filter(std::string source);

  /// Adds one pattern: without slash a name at any depth; with a leading slash anchored at the source; `*` stays within a component,
  /// `**` crosses; a trailing slash means directories only; a leading `!` re-includes; `\` quotes.
  /// A slash in the middle without a leading one matches at any depth, as restic's users expect. Throws `usage` if malformed.
  void add(std::string_view pattern);
  /// Adds each line of a pattern file; blank lines and those beginning with `#` are skipped.
  void add_file(std::string_view text);

  /// Whether `path` (relative to the source) is left out.
  bool excludes(std::string_view path, bool is_directory);

  /// The patterns that matched nothing so far, as given.
  std::vector<std::string> unmatched() const;

 private:
  struct Rule {
    std::string given;
    std::string pattern;    // without outer slashes; begins with `**/` if it may match at any depth
    bool name_only = false;  // matched against the last component
    bool literal = false;    // compared, not matched
    bool directories_only = false;
    bool include = false;
    bool matched = false;
  };
  std::string source_;
  std::vector<Rule> rules_;
};

/// Path match: `*` and `?` do not match '/', `**` as a whole component matches any number of components,
/// `[a-z]` classes, `\` quotes.
bool match_path(std::string_view pattern, std::string_view path);

}  // namespace reverse
