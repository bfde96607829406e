#include "libcore/engine/stored_sizes.h"

#include <algorithm>
#include <cstring>

#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr std::size_t kFewQuestions = 1024;  // to a near repository: not worth a look at its size

}  // namespace

std::uint64_t count_roughly(const Repository& repository) {
  std::uint64_t names = 0;
  const auto count = [&names](std::string_view) {
    ++names;
    return false;
  };
  list_wanted_if_there(repository.backend(), layout::shard(0), count, [](const ListedFile&) {});
  return names * layout::kShards;
}

std::optional<std::uint64_t> StoredSizes::find(const ObjectName& name) {
  if (!is_listed_) {
    const std::size_t asked = asked_++;
    const bool is_near = repository_.backend().traits().cheap_stat;
    if (is_near && asked < kFewQuestions) return ask(name);
    std::call_once(counted_,
                   [&] { singly_ = is_near ? count_roughly(repository_) / 2 : questions_(); });
    if (asked < singly_) return ask(name);
    list();
  }
  const Object key = key_of(name);
  const Shard& shard = shards_[key.digest[0]];
  if (!shard.is_listed) return ask(name);
  if (name.variant) {
    const auto variant = shard.variants.find(name);
    return variant == shard.variants.end() ? std::nullopt : std::optional(variant->second);
  }
  auto place = std::lower_bound(shard.objects.begin(), shard.objects.end(), key);
  if (place == shard.objects.end() || place->digest != key.digest) return std::nullopt;
  // The longer digests are not kept whole: they are rare, and so is finding one.
  return repository_.info().digest == DigestKind::md5 ? place->size : ask(name);
}

void StoredSizes::list() {
  std::call_once(listing_, [this] {
    list_shards();
    is_listed_ = true;
  });
}

StoredSizes::Object StoredSizes::key_of(const ObjectName& name) {
  Object key;
  std::memcpy(key.digest.data(), name.digest.bytes().data(), key.digest.size());
  return key;
}

std::optional<std::uint64_t> StoredSizes::ask(const ObjectName& name) {
  std::optional<FileStat> stat = repository_.backend().stat(object_path(name));
  return stat ? std::optional(stat->size) : std::nullopt;
}

void StoredSizes::expect_list() const {
  std::vector<RepoPath> directories;
  for (int index = 0; index < layout::kShards; ++index) directories.push_back(layout::shard(index));
  expect_listings(repository_.backend(), directories);
}

void StoredSizes::list_shards() {
  expect_list();
  std::size_t known = 0;
  for (int index = 0; index < layout::kShards && known < max_objects_; ++index) {
    Shard& shard = shards_[static_cast<std::size_t>(index)];
    list_shard(index, shard);
    known += shard.objects.size();
  }
}

void StoredSizes::list_shard(int index, Shard& shard) {
  repository_.backend().list(layout::shard(index), [&](const ListedFile& file) {
    std::optional<ObjectName> name = parse_object_name(file.name);
    if (!name) return;
    if (name->variant) {
      shard.variants[*name] = file.stat.size;
      return;
    }
    Object object = key_of(*name);
    object.size = file.stat.size;
    shard.objects.push_back(object);
  });
  std::sort(shard.objects.begin(), shard.objects.end());
  shard.objects.shrink_to_fit();
  shard.is_listed = true;
}

}  // namespace reverse
