#include "libcore/store/layout.h"

#include <algorithm>

#include "libcore/base/timestamp.h"

namespace reverse {

namespace {

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

RepoPath join(std::initializer_list<std::string_view> parts) {
  RepoPath path;
  for (std::string_view part : parts) path.append(part);
  return path;
}

}  // namespace

namespace layout {

RepoPath shard(int index) {
  constexpr char kHex[] = "0123456789abcdef";
  const char digits[] = {'/', kHex[index >> 4 & 15], kHex[index & 15]};
  return join({kObjects, {digits, sizeof digits}});
}

RepoPath set_directory(std::string_view set) {
  return join({kManifests, "/", set});
}

RepoPath head(std::string_view revision) {
  return join({kManifests, "/", revision, ".yaml"});
}

RepoPath mark(std::string_view revision) {
  return join({kForgotten, "/", revision});
}

RepoPath gate(std::string_view token) {
  return join({kWriting, "/", token});
}

RepoPath unpublished_head(std::string_view token, std::string_view uuid) {
  return join({kWriting, "/", token, "/", uuid, ".yaml"});
}

bool is_set_component(std::string_view name) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";
  return !name.empty() && name.size() <= 100 && name.front() != '.' &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool is_revision_name(std::string_view name) {
  constexpr std::size_t kTimeLength = 16;  // 20140125T100000Z
  return name.size() == kTimeLength + 9 && name[kTimeLength] == '-' &&
         is_hex(name.substr(kTimeLength + 1)) &&
         parse_compact_utc(name.substr(0, kTimeLength)).has_value();
}

bool is_token(std::string_view name) {
  return name.size() == 32 && is_hex(name);
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (is_dash ? text[i] != '-' : !is_hex(text.substr(i, 1))) return false;
  }
  return true;
}

}  // namespace layout

std::string to_string(const ObjectName& name) {
  std::string text = name.digest.hex();
  if (name.variant) text.append("-").append(name.variant->hex());
  return text;
}

std::optional<ObjectName> parse_object_name(std::string_view name) {
  std::size_t dash = std::min(name.find('-'), name.size());
  std::optional<Digest> digest = Digest::parse(name.substr(0, dash));
  if (!digest) return std::nullopt;
  if (dash == name.size()) return ObjectName{*digest, std::nullopt};
  std::optional<Check> variant = Check::parse(name.substr(dash + 1));
  if (!variant) return std::nullopt;
  return ObjectName{*digest, variant};
}

RepoPath object_path(const ObjectName& name) {
  std::string file = to_string(name);
  return join({layout::kObjects, "/", std::string_view(file).substr(0, 2), "/", file});
}

}  // namespace reverse
