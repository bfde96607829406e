#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libcore/catalog/catalog.h"
#include "libcore/catalog/sql.h"

namespace reverse {

/// `path` with each '/' as byte 0: compares by memcmp as the format orders paths.
std::string key_of_path(std::string_view path);

/// A tree deeper than that is none, but rows of a damaged file that lead in circles.
inline constexpr std::size_t kDeepestDirectory = 1 << 16;

/// Splits an absolute path at its last '/': ("", "") is "/" itself, and ("", "a") is "/a".
struct SplitPath {
  std::string_view directory, name;
};
SplitPath split_path(std::string_view path);

/// Runs `put_file` (17 parameters, the columns of table `file`) with `row`, in the directory `parent`.
void put_row(sql::Statement& put_file, std::int64_t parent, const FileRow& row);

/// Reads the columns of table `file` into `row`; its path is the name, behind `directory` and a '/'. False if the row is not
/// what was written: then it must be taken as absent, which costs reading a file once more and mends the row; but its path
/// and number lead to the rows below it.
bool read_row(const sql::Rows& columns, std::string_view directory, FileRow& row);

}  // namespace reverse
