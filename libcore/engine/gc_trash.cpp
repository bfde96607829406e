#include "libcore/engine/gc_trash.h"

#include <set>
#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/random.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/reserve.h"
#include "libcore/store/small_files.h"
#include "libcore/store/trash.h"

namespace reverse {

void Trash::list() {
  runs_.clear();
  remains_.clear();
  objects_.clear();
  list_if_there(repository_.backend(), layout::kTrash, [this](const ListedFile& file) {
    if (file.stat.type == FileType::directory && layout::is_token(file.name))
      runs_.push_back({file.name, file.stat.mtime});
  });
  std::vector<RepoPath> directories;
  for (const TrashRun& run : runs_) directories.push_back(trash_run(run.name));
  expect_listings(repository_.backend(), directories);
  for (std::uint32_t i = 0; i < runs_.size(); ++i) list_run(i);
}

void Trash::list_run(std::uint32_t index) {
  DigestKind kind = repository_.info().digest;
  list_if_there(repository_.backend(), trash_run(runs_[index].name), [&](const ListedFile& file) {
    runs_[index].is_used = true;
    if (revision_of_trashed_head(file.name) || revision_of_trashed_mark(file.name))
      remains_.push_back({file.name, index});
    std::optional<ObjectName> name = parse_object_name(file.name);
    if (name && name->digest.kind() == kind && file.stat.type == FileType::file)
      objects_.add({*name, index, file.stat.size});
  });
}

void Trash::add_planned(const ObjectName& name, std::uint64_t size, Timestamp now) {
  if (runs_.empty() || !runs_.back().name.empty()) runs_.push_back({"", now, true});
  objects_.add({name, static_cast<std::uint32_t>(runs_.size() - 1), size});
}

std::vector<std::string> Trash::half_expired() const {
  std::set<std::string> marks;
  for (const TrashedRemains& remains : remains_)
    if (auto revision = revision_of_trashed_mark(remains.name)) marks.insert(*revision);
  for (const TrashedRemains& remains : remains_)
    if (auto revision = revision_of_trashed_head(remains.name)) marks.erase(*revision);
  return {marks.begin(), marks.end()};
}

RepoPath Trash::path(const TrashedObject& object) const {
  return trash_path(runs_[object.run].name, to_string(object.name));
}

RepoPath Trash::path(const TrashedRemains& remains) const {
  return trash_path(runs_[remains.run].name, remains.name);
}

PutBack Trash::put_back(const TrashedObject& object) {
  RepoPath from = path(object);
  PutBack result = reverse::put_back(repository_, from, object.name);
  if (result != PutBack::damaged) return result;
  Backend& backend = repository_.backend();
  backend.make_directory(layout::kBad);
  RepoPath target = layout::kBad + "/" + to_string(object.name);
  // Another copy, damaged in another way perhaps, does no harm under a name that nobody reads.
  if (backend.move(from, target) == MoveResult::exists)
    backend.move(from, target + "." + runs_[object.run].name);
  return result;
}

TakeOut::TakeOut(Backend& backend) : backend_(backend), run_(random_hex(16)) {}

std::vector<bool> TakeOut::move(std::span<const Item> items) {
  if (items.empty()) return {};
  std::vector<Move> moves;
  for (const Item& item : items) moves.push_back({item.from, trash_path(run_, item.name)});
  bool is_tried = false;
  return with_reserve(backend_, [&] {
    const bool is_again = std::exchange(is_tried, true);
    if (!is_made_) {
      backend_.make_directory(layout::kTrash);
      backend_.make_directory(trash_run(run_));
      is_made_ = true;
    }
    const std::vector<MoveResult> results = backend_.move_all(moves);
    std::vector<bool> is_moved;
    for (std::size_t i = 0; i < moves.size(); ++i)  // nobody else gives names in this directory
      is_moved.push_back(results[i] == MoveResult::done ||
                         (is_again && backend_.stat(moves[i].to).has_value()));
    return is_moved;
  });
}

bool TakeOut::take_out(const ObjectName& name) {
  const Item item{object_path(name), to_string(name)};
  return move({&item, 1}).front();
}

bool fits_name(const Sums& sums, const ObjectName& name) {
  return sums.digest == name.digest && (!name.variant || name.variant == sums.check);
}

PutBack put_back(const Repository& repository, const RepoPath& from, const ObjectName& name,
                 Sums* sums) {
  Backend& backend = repository.backend();
  try {
    HashSink sink(repository.info().digest);
    backend.read(from, sink);
    Sums found = sink.finish();
    if (!fits_name(found, name)) return PutBack::damaged;
    if (sums != nullptr) *sums = found;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::io) return PutBack::damaged;
    if (error.kind() != ErrorKind::not_found) throw;
    return PutBack::gone;
  }
  MoveResult result = backend.move(from, object_path(name));
  return result == MoveResult::done ? PutBack::done : PutBack::gone;
}

}  // namespace reverse
