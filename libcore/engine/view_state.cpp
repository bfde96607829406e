#include <fmt/format.h>

#include "libcore/engine/view_site.h"

namespace reverse {

namespace {

constexpr std::string_view kHeader = "# reverse view 1\n";
constexpr std::string_view kSuffix = ".reverse-view";

}  // namespace

std::optional<std::string> ViewMarker::view_name(std::string_view file_name) {
  if (!file_name.starts_with('.') || !file_name.ends_with(kSuffix) ||
      file_name.size() <= kSuffix.size() + 1)
    return std::nullopt;
  return std::string(file_name.substr(1, file_name.size() - kSuffix.size() - 1));
}

std::string ViewMarker::path_of(const std::string& directory) {
  const std::size_t name = directory.rfind('/') + 1;
  return fmt::format("{}.{}{}", directory.substr(0, name), directory.substr(name), kSuffix);
}

std::string view_state_value(std::string_view text, std::string_view key) {
  const std::string line = fmt::format("\n{}: ", key);
  const std::size_t begin = text.find(line);
  if (!text.starts_with(kHeader) || begin == text.npos) return {};
  const std::size_t at = begin + line.size();
  return std::string(text.substr(at, text.find('\n', at) - at));
}

ViewState parse_view_state(std::string_view text) {
  ViewState state;
  state.repository = view_state_value(text, "repository");
  state.revision = view_state_value(text, "revision");
  state.tree = view_state_value(text, "tree");
  state.is_cloned = view_state_value(text, "files") == "clones";
  state.is_whole = view_state_value(text, "state") == "whole";
  return state;
}

std::string format_view_state(const ViewState& state, std::string_view run) {
  std::string text =
      fmt::format("{}repository: {}\nrevision: {}\ntree: {}\nfiles: {}\nstate: {}\n", kHeader,
                  state.repository, state.revision, state.tree,
                  state.is_cloned ? "clones" : "links", state.is_whole ? "whole" : "begun");
  if (!run.empty()) text += fmt::format("run: {}\n", run);
  return text;
}

}  // namespace reverse
