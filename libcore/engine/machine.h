#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace reverse {

/// This machine's name up to its first dot.
std::string host_name();
/// /etc/machine-id, or "" where there is none.
std::string machine_id();

/// A text as one component of a set's name: lower case, other characters than A-Za-z0-9._+- become '_',
/// at most 100 bytes, never empty, and no dot at either end, which FAT would drop (schema/FORMAT.md, "Sets").
std::string set_component(std::string_view text);
/// The label of a source: its absolute path with '-' for '/'; "/" is "rootfs".
std::string label_of_source(std::string_view absolute_path);

/// Names of users and groups, asked once each. One thread at a time.
class OwnerNames {
 public:
  /// "joe:users"; a side without a name is empty.
  const std::string& owner(std::uint32_t uid, std::uint32_t gid);

 private:
  std::unordered_map<std::uint64_t, std::string> owners_;
};

}  // namespace reverse
