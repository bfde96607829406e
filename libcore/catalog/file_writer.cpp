#include "libcore/catalog/file_writer.h"

#include <algorithm>
#include <utility>

#include "libcore/catalog/file_row.h"

namespace reverse {
namespace {

constexpr std::size_t kListRows = 256;

}  // namespace

// --- numbers of directories

std::int64_t FileWriter::new_number() {
  if (last_number_ == 0) {
    sql::Rows rows = statements_.last_number.query();
    if (rows.next()) last_number_ = rows.integer(0);  // 0 for none
  }
  return ++last_number_;
}

std::optional<std::int64_t> FileWriter::number_in(std::int64_t parent, std::string_view name,
                                                  Missing missing) {
  bool is_there = false;
  {
    sql::Rows rows = statements_.find_number.query(parent, sql::Blob{name});
    is_there = rows.next();
    if (is_there && !rows.is_null(0)) return rows.integer(0);
  }
  if (missing == Missing::none) return std::nullopt;
  const std::int64_t number = new_number();
  (is_there ? statements_.give_number : statements_.put_parent).execute(parent, sql::Blob{name}, number);
  return number;
}

/// The number of the directory `path` ("" for "/"). Neighbours share most steps.
std::optional<std::int64_t> FileWriter::directory(std::string_view path, Missing missing) {
  const auto is_on_the_way = [&](const Step& step) {
    return path.starts_with(std::string_view(path_).substr(0, step.end)) &&
           (path.size() == step.end || path[step.end] == '/');
  };
  while (!steps_.empty() && !is_on_the_way(steps_.back())) steps_.pop_back();
  path_ = path;
  if (steps_.empty()) {
    const auto root = number_in(0, "", missing);
    if (!root) return std::nullopt;
    steps_.push_back({0, *root});
  }
  while (steps_.back().end < path.size()) {
    const std::size_t begin = steps_.back().end + 1;
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const auto number = number_in(steps_.back().number, path.substr(begin, end - begin), missing);
    if (!number) return std::nullopt;
    steps_.push_back({end, *number});
  }
  return steps_.back().number;
}

/// Whether `directory` last went through it.
bool FileWriter::lies_in(std::int64_t number) const {
  for (const Step& step : steps_)
    if (step.number == number) return true;
  return false;
}

// --- rows

void FileWriter::put(const FileRow& row) {
  const auto [directory_path, name] = split_path(row.path);
  const bool is_root = row.path == "/";
  const std::int64_t parent = is_root ? 0 : *directory(directory_path, Missing::make);
  FileRow put = row;
  if (is_root || (row.number != 0 && lies_in(row.number))) put.number = 0;  // never below itself
  if (put.number != 0)
    move_here(parent, name, put.number);
  else if (!row.md5 && !row.sha256)
    put.number = new_number();  // unless it has one
  put_row(statements_.put_file, parent, put);
}

void FileWriter::move_here(std::int64_t parent, std::string_view name, std::int64_t number) {
  const auto other = number_in(parent, name, Missing::none);
  if (other && *other != number) displace(parent, name, *other);
  statements_.leave_place.execute(number, parent, sql::Blob{name});
  steps_.clear();
}

void FileWriter::displace(std::int64_t parent, std::string_view name, std::int64_t number) {
  FileRow row;
  {
    sql::Rows rows = statements_.find_file.query(parent, sql::Blob{name});
    if (!rows.next() || !read_row(rows, "", row)) row = {};  // what is below it must go all the same
  }
  row.path = "/" + std::to_string(number);
  row.number = number;
  statements_.remove_file.execute(parent, sql::Blob{name});
  put_row(statements_.put_file, kDisplaced, row);
}

bool FileWriter::remove(const std::string& path, std::size_t& rows) {
  const auto [directory_path, name] = split_path(path);
  const auto parent = path == "/" ? 0 : directory(directory_path, Missing::none);
  if (!parent) return true;
  const auto number = number_in(*parent, name, Missing::none);
  if (number && !remove_in(*number, rows)) return false;
  statements_.remove_file.execute(*parent, sql::Blob{name});
  if (rows > 0) --rows;
  return true;
}

bool FileWriter::remove_displaced(std::size_t& rows) {
  return remove_in(kDisplaced, rows);
}

/// What is below goes first: whatever is left is found the next time. By no recursion: trees may be
/// deeper than a stack.
bool FileWriter::remove_in(std::int64_t number, std::size_t& rows) {
  std::vector<Listed> way{{number}};
  while (!way.empty()) {
    Listed& directory = way.back();
    if (directory.at == directory.rows.size()) {
      directory = list(directory.number);
      if (directory.rows.empty()) way.pop_back();
      continue;
    }
    auto& [name, below] = directory.rows[directory.at];
    if (below != 0) {
      if (way.size() == kDeepestDirectory) fail(ErrorKind::corrupt, "table `file` leads in circles");
      way.push_back({std::exchange(below, 0)});
      continue;
    }
    if (rows == 0) return false;
    statements_.remove_file.execute(directory.number, sql::Blob{name});
    --rows;
    ++directory.at;
  }
  return true;
}

/// Some of the rows in a directory; none if there are none.
FileWriter::Listed FileWriter::list(std::int64_t number) {
  Listed listed{number};
  sql::Rows list = statements_.list_in.query(number, kListRows);
  while (list.next()) listed.rows.emplace_back(list.bytes(0), list.integer(1));
  return listed;
}

}  // namespace reverse
