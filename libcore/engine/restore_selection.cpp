#include "libcore/engine/restore_selection.h"

#include <algorithm>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {

namespace {

/// A path as a revision has it: relative to its source, without empty components and '.'.
std::string path_in(const Head& head, std::string_view given) {
  const bool is_in_source =
      given.starts_with(head.source) &&
      (given.size() == head.source.size() || head.source == "/" || given[head.source.size()] == '/');
  if (is_in_source && head.source.starts_with('/')) given.remove_prefix(head.source.size());
  std::string path;
  for (std::string_view component : split(given, '/')) {
    if (component.empty() || component == ".") continue;
    if (component == "..") fail(ErrorKind::usage, "'{}' leads out of the revision", printable(std::string(given)));
    path.append(path.empty() ? "" : "/").append(component);
  }
  return path;
}

}  // namespace

RestoreSelection::RestoreSelection(const Head& head, const RestoreOptions& options)
    : include_(head.source),
      exclude_(head.source),
      has_patterns_(!options.include.empty()),
      has_excludes_(!options.exclude.empty()) {
  for (const std::string& pattern : options.include) include_.add(pattern);
  for (const std::string& pattern : options.exclude) exclude_.add(pattern);
  if (options.only)
    for (const std::string& path : *options.only) only_.push_back(path_in(head, path));
  std::sort(only_.begin(), only_.end());
  only_.erase(std::unique(only_.begin(), only_.end()), only_.end());
  met_.resize(only_.size());
  const bool all = !has_patterns_ && !options.only;
  levels_.push_back({"", all ? Part::whole : Part::way});
}

bool RestoreSelection::excludes(const std::string& path, bool is_directory) {
  return has_excludes_ && exclude_.excludes(path, is_directory);
}

bool RestoreSelection::is_chosen(const Entry& entry, bool is_directory) {
  const auto at = std::lower_bound(only_.begin(), only_.end(), entry.path);
  if (at != only_.end() && *at == entry.path) {
    met_[static_cast<std::size_t>(at - only_.begin())] = true;
    return true;
  }
  return has_patterns_ && include_.excludes(entry.path, is_directory);
}

RestoreSelection::Part RestoreSelection::part_of(const Entry& entry) {
  while (levels_.size() > 1 && !is_below(entry.path, levels_.back().path)) levels_.pop_back();
  const Part above = levels_.back().part;
  const bool is_directory =
      entry.type == FileType::directory || entry.type == FileType::repository;
  const bool is_chosen_here = is_chosen(entry, is_directory);
  Part part = above;
  if (above == Part::way && is_chosen_here) part = Part::whole;
  if (!entry.path.empty() && excludes(entry.path, is_directory)) part = Part::none;
  if (is_directory) levels_.push_back({entry.path, part});
  return part == Part::way && !is_directory ? Part::none : part;
}

std::vector<std::string> RestoreSelection::missing() const {
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < only_.size(); ++i)
    if (!met_[i]) paths.push_back(only_[i]);
  return paths;
}

}  // namespace reverse
