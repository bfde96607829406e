#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"

namespace reverse {

/// Runs SQL on the file `path` as another program would; it creates what is missing.
inline void run_sql(const std::string& path, const std::string& script) {
  sqlite3* db = nullptr;
  sqlite3_open(path.c_str(), &db);
  const int code = sqlite3_exec(db, script.c_str(), nullptr, nullptr, nullptr);
  const std::string message = sqlite3_errmsg(db);
  sqlite3_close(db);
  if (code != SQLITE_OK) fail(ErrorKind::internal, "{}", message);
}

/// Changes every byte of a stretch of a file.
inline void scribble(const std::string& path, std::size_t offset, std::size_t size) {
  std::string bytes = read_file(path);
  for (std::size_t i = offset; i < std::min(offset + size, bytes.size()); ++i)
    bytes[i] = static_cast<char>(bytes[i] ^ (1 + i * 2654435761u % 255));
  write_file(path, bytes);
}

inline std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

}  // namespace reverse
