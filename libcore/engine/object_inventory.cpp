#include "libcore/engine/object_inventory.h"

#include <algorithm>

#include "libcore/store/layout.h"

namespace reverse {

namespace {

/// The names of one shard's objects, sorted.
std::vector<std::string> objects_in(const Repository& repository, int shard) {
  std::vector<std::string> names;
  auto take = [&](std::string_view name) {
    std::optional<ObjectName> object = parse_object_name(name);
    if (object && object->digest.kind() == repository.info().digest) names.emplace_back(name);
    return false;  // the name tells all
  };
  repository.backend().list_wanted(layout::shard(shard), take, [](const ListedFile&) {});
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

void write_inventory(const Repository& repository,
                     const std::function<void(std::string_view)>& write) {
  // Before the objects: what a revision needs that is listed here was there then.
  std::vector<std::string> revisions;
  for (const std::string& set : repository.sets())
    for (const std::string& name : repository.revisions(set))
      revisions.push_back(set + "/" + name);
  std::sort(revisions.begin(), revisions.end());
  std::vector<Expected> shards;
  for (int shard = 0; shard < layout::kShards; ++shard)
    shards.push_back({layout::shard(shard), true});
  repository.backend().expect(shards);
  write("# reverse inventory of " + repository.info().id);
  auto revision = revisions.begin();
  for (int shard = 0; shard < layout::kShards; ++shard) {
    for (const std::string& object : objects_in(repository, shard)) {
      while (revision != revisions.end() && *revision < object) write(*revision++);
      write(object);
    }
  }
  while (revision != revisions.end()) write(*revision++);
}

}  // namespace reverse
