#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "libcore/catalog/cache_file.h"
#include "libcore/catalog/catalog.h"

namespace reverse {

/// `Catalog::files_below` and `Catalog::files_in`.
std::unique_ptr<FileCursor> read_files_below(std::shared_ptr<CacheFile> file, const std::string& path);
std::unique_ptr<FileCursor> read_files_in(std::shared_ptr<CacheFile> file, std::int64_t number,
                                          const std::string& path);

}  // namespace reverse
