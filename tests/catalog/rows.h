#pragma once

#include <functional>
#include <string>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/catalog/catalog.h"
#include "libcore/hash/hasher.h"

namespace reverse {

/// A row for `path` with every column filled, different for each `number`.
inline FileRow sample_row(const std::string& path, std::uint64_t number) {
  FileRow row;
  row.path = path;
  row.device = 64768;
  row.inode = 1000 + number;
  row.size = number * 17;
  row.mtime = {1390644000 + static_cast<std::int64_t>(number), 123456789};
  row.ctime = {1390645000 + static_cast<std::int64_t>(number), 987654321};
  row.btime = Timestamp{1390640000, 5};
  const Sums md5 = hash_bytes(DigestKind::md5, path);
  row.md5 = md5.digest;
  row.check = md5.check;
  row.sha256 = hash_bytes(DigestKind::sha256, path).digest;
  row.has_xattrs = number % 2 == 1;
  return row;
}

/// `count` rows "/DIRECTORY/file-0000000" and on, in order.
inline std::vector<FileRow> sample_rows(const std::string& directory, std::size_t count) {
  std::vector<FileRow> rows;
  for (std::size_t i = 0; i < count; ++i)
    rows.push_back(sample_row(fmt::format("/{}/file-{:07}", directory, i), i));
  return rows;
}

/// The rows of `path` and below as a cursor gives them, without their numbers.
inline std::vector<FileRow> rows_below(Catalog& catalog, const std::string& path) {
  std::vector<FileRow> rows;
  auto cursor = catalog.files_below(path);
  while (const FileRow* row = cursor->next()) {
    rows.push_back(*row);
    rows.back().number = 0;
  }
  return rows;
}

inline std::vector<std::string> paths_below(Catalog& catalog, const std::string& path) {
  std::vector<std::string> paths;
  for (const FileRow& row : rows_below(catalog, path)) paths.push_back(row.path);
  return paths;
}

/// Takes warnings: hand `sink()` to `open`.
struct Warnings {
  std::vector<std::string> texts;
  std::function<void(const std::string&)> sink() {
    return [this](const std::string& text) { texts.push_back(text); };
  }
};

/// The kind of the `Error` that `body` throws.
template <typename Body>
std::optional<ErrorKind> error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.kind();
  }
  return std::nullopt;
}

}  // namespace reverse
