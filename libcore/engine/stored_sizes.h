#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "libcore/store/layout.h"
#include "libcore/store/repository.h"

namespace reverse {

/// How many objects a repository has, about, from one shard: digests fall into all of them alike. One
/// listing.
std::uint64_t count_roughly(const Repository& repository);

/// Which objects are stored, and their sizes, as far as a writer asks: one by one where that is
/// cheap or little is asked, and else by listing objects/ once, all shards in a pipeline, so that
/// what is not there costs no round trip. To be asked only after the gate was opened: what has been
/// seen since then is kept by gc until the head is published or refused. Thread-safe.
class StoredSizes {
 public:
  /// `repository` must outlive it. Of a repository with more than `max_objects`, only so many are
  /// known by listing: 24 bytes each stay in memory.
  explicit StoredSizes(const Repository& repository, std::size_t max_objects = 2 << 20)
      : repository_(repository), max_objects_(max_objects) {}

  /// After so many answers one by one, a distant objects/ is listed; one that is near, after as many as
  /// half of what it holds. `questions` is called at the first one.
  void list_after(std::function<std::size_t()> questions) { questions_ = std::move(questions); }

  /// Lists objects/ now, unless that was done: for who knows that much will be asked.
  void list();
  /// Says that this will come.
  void expect_list() const;
  /// The object's bytes; nullopt if it is not in objects/, or came there after the listing.
  std::optional<std::uint64_t> find(const ObjectName& name);

 private:
  struct Object {
    std::array<unsigned char, 16> digest;  // its first bytes
    std::uint64_t size = 0;
    auto operator<=>(const Object&) const = default;
  };
  struct Shard {
    bool is_listed = false;
    std::vector<Object> objects;  // sorted; those under their usual names
    std::map<ObjectName, std::uint64_t> variants;  // the others, which are few
  };
  static Object key_of(const ObjectName& name);
  void list_shards();
  void list_shard(int index, Shard& shard);
  std::optional<std::uint64_t> ask(const ObjectName& name);

  const Repository& repository_;
  const std::size_t max_objects_;
  std::function<std::size_t()> questions_ = [] { return 0; };
  std::once_flag counted_;
  std::size_t singly_ = 0;  // what they came to
  std::atomic<std::size_t> asked_ = 0;
  std::once_flag listing_;
  std::atomic<bool> is_listed_ = false;  // what follows does not change after
  std::array<Shard, layout::kShards> shards_;
};

}  // namespace reverse
