#include "libcore/engine/trash_lookup.h"

#include <algorithm>

#include "libcore/base/error.h"
#include "libcore/engine/gc_trash.h"
#include "libcore/store/small_files.h"
#include "libcore/store/trash.h"

namespace reverse {

namespace {

/// False where this account may only add files: what it misses is uploaded again.
bool move_back(const Repository& repository, const RepoPath& from, const ObjectName& name,
               Sums& sums) {
  try {
    return reverse::put_back(repository, from, name, &sums) == PutBack::done;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::permission) throw;
    return false;
  }
}

}  // namespace

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
    if (move_back(repository_, from, name, sums)) return sums;
  }
  return std::nullopt;
}

}  // namespace reverse
