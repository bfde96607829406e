#include "libcore/store/inventory.h"

#include <algorithm>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/store/layout.h"

namespace reverse {

namespace {

bool is_revision(std::string_view line) {
  std::vector<std::string_view> parts = split(line, '/');
  return parts.size() == 3 && layout::is_set_component(parts[0]) &&
         layout::is_set_component(parts[1]) && layout::is_revision_name(parts[2]);
}

}  // namespace

Inventory Inventory::parse(std::string_view text, std::string_view name) {
  Inventory inventory;
  std::size_t number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    if (std::optional<ObjectName> object = parse_object_name(line)) {
      const DigestKind kind = object->digest.kind();
      if (inventory.digest_.value_or(kind) != kind)
        fail(ErrorKind::usage, "'{}', line {}: {} among names of the other digest: not one list",
             printable(name), number, to_string(kind));
      inventory.digest_ = kind;
      inventory.objects_.push_back(ContentKey::of(*object));
    } else if (is_revision(line)) {
      inventory.revisions_.emplace_back(line);
    } else {
      fail(ErrorKind::usage, "'{}', line {}: neither an object nor a revision", printable(name),
           number);
    }
  }
  std::sort(inventory.objects_.begin(), inventory.objects_.end());
  std::sort(inventory.revisions_.begin(), inventory.revisions_.end());
  return inventory;
}

bool Inventory::has(const Sums& sums) const {
  auto lists = [this](const ObjectName& name) {
    return std::binary_search(objects_.begin(), objects_.end(), ContentKey::of(name));
  };
  return lists({sums.digest, std::nullopt}) || (sums.check && lists({sums.digest, sums.check}));
}

bool Inventory::has_revision(const std::string& revision) const {
  return std::binary_search(revisions_.begin(), revisions_.end(), revision);
}

}  // namespace reverse
