#include "libcore/store/entry_names.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "libcore/store/entry.h"

namespace reverse {

namespace {

constexpr std::array<std::string_view, 8> kTypeNames = {"file",   "dir",  "symlink", "fifo",
                                                        "socket", "char", "block",   "repository"};

}  // namespace

std::string_view type_name(FileType type) {
  return kTypeNames[static_cast<std::size_t>(type)];
}

std::optional<FileType> parse_type_name(std::string_view name) {
  auto found = std::find(kTypeNames.begin(), kTypeNames.end(), name);
  if (found == kTypeNames.end()) return std::nullopt;
  return static_cast<FileType>(found - kTypeNames.begin());
}

const char* path_flaw(std::string_view path) {
  if (path.empty()) return nullptr;
  if (path.front() == '/') return "absolute path";
  if (path.find('\0') != std::string_view::npos) return "NUL in a path";
  while (true) {
    std::size_t end = std::min(path.find('/'), path.size());
    std::string_view name = path.substr(0, end);
    if (name.empty()) return "empty name in a path";
    if (name == "." || name == "..") return "'.' or '..' in a path";
    if (end == path.size()) return nullptr;
    path.remove_prefix(end + 1);
  }
}

int compare_paths(std::string_view a, std::string_view b) {
  std::size_t shorter = std::min(a.size(), b.size());
  std::size_t i = 0;
  while (i + 8 <= shorter && std::memcmp(a.data() + i, b.data() + i, 8) == 0) i += 8;
  while (i < shorter && a[i] == b[i]) ++i;
  if (i == shorter) return a.size() < b.size() ? -1 : a.size() > b.size();
  auto rank = [](char c) { return c == '/' ? 0 : int(static_cast<unsigned char>(c)); };
  return rank(a[i]) - rank(b[i]);
}

bool is_below(std::string_view path, std::string_view ancestor) {
  return ancestor.empty() || (path.starts_with(ancestor) &&
                              (path.size() == ancestor.size() || path[ancestor.size()] == '/'));
}

}  // namespace reverse
