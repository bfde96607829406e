#include "libcore/store/trash.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "libcore/base/text.h"
#include "libcore/store/layout.h"

namespace reverse {

namespace {

constexpr std::string_view kHeadSuffix = ".yaml";
constexpr std::string_view kMarkSuffix = ".mark";

// '@' is in no host, label or revision name.
std::string flat_name(std::string_view revision, std::string_view suffix) {
  std::string name(revision);
  std::replace(name.begin(), name.end(), '/', '@');
  return name.append(suffix);
}

std::optional<std::string> revision_of(std::string_view name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return std::nullopt;
  name.remove_suffix(suffix.size());
  std::vector<std::string_view> parts = split(name, '@');
  bool is_revision = parts.size() == 3 && layout::is_set_component(parts[0]) &&
                     layout::is_set_component(parts[1]) && layout::is_revision_name(parts[2]);
  if (!is_revision) return std::nullopt;
  return fmt::format("{}/{}/{}", parts[0], parts[1], parts[2]);
}

}  // namespace

RepoPath trash_run(std::string_view run) {
  return fmt::format("{}/{}", layout::kTrash, run);
}

RepoPath trash_path(std::string_view run, std::string_view name) {
  return fmt::format("{}/{}/{}", layout::kTrash, run, name);
}

std::string trashed_head_name(std::string_view revision) {
  return flat_name(revision, kHeadSuffix);
}

std::string trashed_mark_name(std::string_view revision) {
  return flat_name(revision, kMarkSuffix);
}

std::optional<std::string> revision_of_trashed_mark(std::string_view name) {
  return revision_of(name, kMarkSuffix);
}

std::optional<std::string> revision_of_trashed_head(std::string_view name) {
  return revision_of(name, kHeadSuffix);
}

}  // namespace reverse
