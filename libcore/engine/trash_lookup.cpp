#include "libcore/engine/trash_lookup.h"

#include <algorithm>

#include "libcore/engine/gc_trash.h"
#include "libcore/store/small_files.h"
#include "libcore/store/trash.h"

namespace reverse {

void TrashLookup::list() {
  Backend& backend = repository_.backend();
  list_if_there(backend, layout::kTrash, [this](const ListedFile& file) {
    if (file.stat.type == FileType::directory && layout::is_token(file.name))
      runs_.push_back(file.name);
  });
  for (std::uint32_t run = 0; run < runs_.size(); ++run)
    list_if_there(backend, trash_run(runs_[run]), [&](const ListedFile& file) {
      std::optional<ObjectName> name = parse_object_name(file.name);
      if (name && objects_.size() < max_objects_) objects_.push_back({ContentKey::of(*name), run});
    });
  std::sort(objects_.begin(), objects_.end());
}

std::optional<Sums> TrashLookup::put_back(const ObjectName& name) {
  std::call_once(listed_, [this] { list(); });
  ContentKey key = ContentKey::of(name);
  for (auto place = std::lower_bound(objects_.begin(), objects_.end(), Object{key});
       place != objects_.end() && place->key == key; ++place) {
    Sums sums;
    RepoPath from = trash_path(runs_[place->run], to_string(name));
    if (reverse::put_back(repository_, from, name, &sums) == PutBack::done) return sums;
  }
  return std::nullopt;
}

}  // namespace reverse
