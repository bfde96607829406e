#include "tools/reverse-snapshot/node_json.h"

#include <fmt/format.h>

namespace reverse {

namespace {

std::string_view type_word(FileType type) {
  switch (type) {
    case FileType::file:
      return "file";
    case FileType::directory:
      return "dir";
    case FileType::symlink:
      return "symlink";
    case FileType::fifo:
      return "fifo";
    case FileType::socket:
      return "socket";
    case FileType::character_device:
      return "char";
    case FileType::block_device:
      return "block";
    case FileType::repository:
      return "repository";
  }
  return "?";
}

}  // namespace

std::string permissions(const Entry& entry) {
  static constexpr char kTypes[] = "-dlpscbd";
  std::string text(1, kTypes[static_cast<int>(entry.type)]);
  for (int shift = 6; shift >= 0; shift -= 3) {
    std::uint32_t bits = entry.mode >> shift & 7;
    bool special = (entry.mode & (shift == 6 ? 04000u : shift == 3 ? 02000u : 01000u)) != 0;
    char letter = shift == 0 ? 't' : 's';
    text += (bits & 4) != 0 ? 'r' : '-';
    text += (bits & 2) != 0 ? 'w' : '-';
    bool runs = (bits & 1) != 0;
    text += special ? (runs ? letter : static_cast<char>(letter - 'a' + 'A')) : (runs ? 'x' : '-');
  }
  return text;
}

std::pair<std::string, std::string> owner_names(const Entry& entry) {
  std::size_t colon = entry.owner.find(':');
  std::string user = entry.owner.substr(0, colon);
  std::string group = colon == std::string::npos ? "" : entry.owner.substr(colon + 1);
  return {user.empty() ? std::to_string(entry.uid) : user,
          group.empty() ? std::to_string(entry.gid) : group};
}

JsonLine node_json(const Entry& entry, const std::string& revision) {
  JsonLine line("node");
  auto [user, group] = owner_names(entry);
  std::string path = entry.path.empty() ? "." : entry.path;
  line.add("revision", revision).add_path("path", path);
  line.add_path("name", path.substr(path.rfind('/') + 1)).add("type", type_word(entry.type));
  if (entry.type == FileType::file) line.add("size", entry.size);
  line.add("mode", fmt::format("{:04o}", entry.mode)).add("permissions", permissions(entry));
  line.add("uid", entry.uid).add("gid", entry.gid).add("user", user).add("group", group);
  if (entry.type != FileType::repository) line.add("mtime", entry.mtime);
  if (entry.digest) line.add(to_string(entry.digest->kind()), entry.digest->hex());
  if (!entry.target.empty()) line.add_path("target", entry.target);
  if (!entry.error.empty()) line.add("error", entry.error);
  if (entry.changed) line.add("changed", true);
  return line;
}

}  // namespace reverse
