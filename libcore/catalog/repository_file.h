#pragma once

#include <string>
#include <string_view>

namespace reverse {

/// "DIRECTORY/WHAT-REPOSITORY-1.sqlite": where a cache of one repository lies. Throws `corrupt` for
/// an id that is no UUID: it comes from the repository and is trusted with nothing.
std::string repository_file(const std::string& directory, std::string_view what,
                            const std::string& repository_id);

}  // namespace reverse
