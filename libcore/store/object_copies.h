#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libcore/store/repository.h"
#include "libcore/store/tree_compare.h"

namespace reverse {

// Objects of which one copy may be damaged while another place holds a whole one: taken out by gc, or
// put among the bad ones. `Repository::read_object` ends with the first damaged copy of a large object.

/// Sends the object to `sink`, which `restart` lets forget what came: then a copy in another place is
/// tried. Throws `not_found`, or `corrupt` where no copy is whole.
void read_whole_copy(const Repository& repository, const Sums& wanted, ByteSink& sink,
                     const std::function<void()>& restart);

/// The same for sinks that forget nothing: they get nothing of a copy that is not whole. For that a
/// large object is read twice.
void read_checked_object(const Repository& repository, const Sums& wanted, ByteSink& sink);

/// Several objects into memory, hashed side by side: each of them at most `kSmallObject` bytes. nullopt
/// for one that is not whole, or cannot be read, where it usually lies: `Repository::read_object` finds
/// it elsewhere, or tells. Throws what says nothing of one object.
inline constexpr std::uint64_t kSmallObject = 256 << 10;
std::vector<std::optional<std::string>> read_small_objects(const Repository& repository,
                                                           std::span<const Sums> wanted);

/// `Repository::page_fetcher` for several pages, hashed side by side. The repository must outlive it.
PagesFetcher pages_fetcher(const Repository& repository);

/// True if the object lies in more than one place, whatever its copies are worth.
bool has_spare_copy(const Repository& repository, const Sums& wanted);

/// Sends what lies under the object's name, whatever it is. Throws `not_found`.
void read_damaged_object(const Repository& repository, const Sums& wanted, ByteSink& sink);

}  // namespace reverse
