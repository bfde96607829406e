#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libcore/catalog/catalog.h"
#include "libcore/catalog/sql.h"

namespace reverse {

/// `path` with each '/' as byte 0: compares by memcmp as the format orders paths.
std::string key_of_path(std::string_view path);

/// The keys of `path` and all below it: [first, end).
struct KeyRange {
  std::string first, end;
};
KeyRange keys_below(std::string_view path);

/// Runs `put_file` (15 parameters, the columns of table `file`) with `row`.
void put_row(sql::Statement& put_file, const FileRow& row);

/// Reads the columns of table `file` into `row`. False if the row is not what was written: then it
/// must be taken as absent, which costs reading a file once more and mends the row.
bool read_row(const sql::Rows& columns, FileRow& row);

}  // namespace reverse
