#include "libcore/scan/selection.h"

#include <dirent.h>

#include <algorithm>

#include "libcore/base/text.h"

namespace reverse {

namespace {

/// '/' counts as byte 0: a directory's content comes right after it.
bool comes_before(std::string_view a, std::string_view b) {
  auto rank = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c); };
  return std::ranges::lexicographical_compare(a, b, {}, rank, rank);
}

bool lies_at_or_below(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

}  // namespace

Selection::Selection(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    std::string clean;
    bool leads_out = false;
    for (std::string_view component : split(path, '/')) {
      if (component.empty() || component == ".") continue;
      leads_out = leads_out || component == "..";
      if (!clean.empty()) clean += '/';
      clean += component;
    }
    (leads_out ? outside_ : paths_).push_back(leads_out ? path : std::move(clean));
  }
  std::ranges::sort(paths_, comes_before);
}

std::optional<Selection::Range> Selection::all() const {
  if (!paths_.empty() && paths_.front().empty()) return std::nullopt;
  return Range{0, paths_.size()};
}

Listing Selection::names(Range range, std::string_view parent) const {
  Listing listing;
  std::size_t skip = parent.empty() ? 0 : parent.size() + 1;
  for (std::size_t i = range.begin; i < range.end; ++i) {
    std::string_view below = std::string_view(paths_[i]).substr(skip);
    listing.add(below.substr(0, below.find('/')), DT_UNKNOWN);
  }
  listing.sort();
  return listing;
}

Selection::Range Selection::take(Range& range, std::string_view path) const {
  Range taken{range.begin, range.begin};
  while (taken.end < range.end && lies_at_or_below(paths_[taken.end], path)) ++taken.end;
  range.begin = taken.end;
  return taken;
}

}  // namespace reverse
