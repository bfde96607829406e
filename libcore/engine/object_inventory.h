#pragma once

#include <functional>
#include <string_view>

#include "libcore/store/repository.h"

namespace reverse {

/// Writes what a repository holds, one line at a time, without its newline, in the order of bytes
/// (schema/FORMAT.md, "Inventory"). Looks at no object, only at names. Memory: one shard's names.
/// What gc removes and writers add meanwhile may be in it or not.
void write_inventory(const Repository& repository,
                     const std::function<void(std::string_view line)>& write);

}  // namespace reverse
