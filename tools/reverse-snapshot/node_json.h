#pragma once

#include <string>
#include <utility>

#include "libcore/cli/output.h"
#include "libcore/store/entry.h"

namespace reverse {

/// The `node` object of an entry in a revision.
JsonLine node_json(const Entry& entry, const std::string& revision);

/// "-rwsr-xr-x", as ls has it.
std::string permissions(const Entry& entry);

/// User and group, by number where there is no name.
std::pair<std::string, std::string> owner_names(const Entry& entry);

}  // namespace reverse
