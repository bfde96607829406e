#include "libcore/catalog/repository_file.h"

#include <algorithm>

#include "libcore/base/error.h"

namespace reverse {

std::string repository_file(const std::string& directory, std::string_view what,
                            const std::string& repository_id) {
  auto harmless = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  };
  if (repository_id.empty() || repository_id.size() > 64 ||
      !std::ranges::all_of(repository_id, harmless))
    fail(ErrorKind::corrupt, "repository id '{}' is not a UUID", repository_id);
  return fmt::format("{}/{}-{}-1.sqlite", directory, what, repository_id);
}

}  // namespace reverse
