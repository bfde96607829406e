#include "libcore/catalog/file_row.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "libcore/hash/hasher.h"

namespace reverse {
namespace {

/// The fields of a row but its name, one behind the other, for their sum.
class Packed {
 public:
  void add(std::uint64_t value) { append(&value, sizeof value); }
  void add(Timestamp time) {
    add(static_cast<std::uint64_t>(time.seconds));
    add(static_cast<std::uint64_t>(time.nanoseconds));
  }
  template <typename Sum>
  void add_sum(const std::optional<Sum>& sum) {
    add(static_cast<std::uint64_t>(sum ? sum->bytes().size() : 0));
    if (sum) append(sum->bytes().data(), sum->bytes().size());
  }
  std::string_view bytes() const { return {bytes_.data(), used_}; }

 private:
  void append(const void* data, std::size_t size) {
    std::memcpy(bytes_.data() + used_, data, size);
    used_ += size;
  }
  std::array<char, 256> bytes_;  // 15 numbers and 64 bytes of sums at most
  std::size_t used_ = 0;
};

/// As a signed number of 32 bits, which SQLite keeps in four bytes.
std::int64_t row_sum(std::int64_t parent, std::string_view name, const FileRow& row) {
  Packed packed;
  for (std::uint64_t value : {static_cast<std::uint64_t>(parent), row.device, row.inode, row.size}) packed.add(value);
  packed.add(row.mtime);
  packed.add(row.ctime);
  packed.add(static_cast<std::uint64_t>(row.btime.has_value()));
  packed.add(row.btime.value_or(Timestamp{}));
  packed.add_sum(row.md5);
  packed.add_sum(row.sha256);
  packed.add_sum(row.check);
  packed.add(static_cast<std::uint64_t>(row.has_xattrs));
  return static_cast<std::int32_t>(xxh3_64(packed.bytes(), xxh3_64(name, 0)));
}

template <typename Sum>
std::optional<sql::Blob> blob_of(const std::optional<Sum>& sum) {
  if (!sum) return std::nullopt;
  return sql::Blob{sum->bytes()};
}

/// The sum in a column of `length` bytes; of any other length it is as good as none.
template <typename Sum>
std::optional<Sum> sum_in(const sql::Rows& columns, int at, std::size_t length) {
  std::string_view bytes = columns.bytes(at);
  if (bytes.size() != length) return std::nullopt;
  return Sum::from_bytes(bytes);
}

Timestamp time_in(const sql::Rows& columns, int at) {
  return {columns.integer(at), static_cast<std::uint32_t>(columns.integer(at + 1))};
}

std::uint64_t unsigned_in(const sql::Rows& columns, int at) {
  return static_cast<std::uint64_t>(columns.integer(at));
}

}  // namespace

std::string key_of_path(std::string_view path) {
  std::string key(path);
  std::replace(key.begin(), key.end(), '/', '\0');
  return key;
}

SplitPath split_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return {path.substr(0, slash), path.substr(slash + 1)};
}

void put_row(sql::Statement& put_file, std::int64_t parent, const FileRow& row) {
  std::optional<std::int64_t> btime_s, btime_ns, number;
  if (row.btime) {
    btime_s = row.btime->seconds;
    btime_ns = row.btime->nanoseconds;
  }
  if (row.number != 0) number = row.number;
  const std::string_view name = split_path(row.path).name;
  put_file.execute(parent, sql::Blob{name}, number, row.device, row.inode, row.size,
                   row.mtime.seconds, row.mtime.nanoseconds, row.ctime.seconds,
                   row.ctime.nanoseconds, btime_s, btime_ns, blob_of(row.md5), blob_of(row.sha256),
                   blob_of(row.check), row.has_xattrs, row_sum(parent, name, row));
}

bool read_row(const sql::Rows& columns, std::string_view directory, FileRow& row) {
  const std::string_view name = columns.bytes(1);
  row.path.assign(directory);
  row.path += '/';
  row.path += name;
  row.number = columns.integer(2);  // 0 for NULL
  if (columns.is_null(16)) return false;
  row.device = unsigned_in(columns, 3);
  row.inode = unsigned_in(columns, 4);
  row.size = unsigned_in(columns, 5);
  row.mtime = time_in(columns, 6);
  row.ctime = time_in(columns, 8);
  row.btime.reset();
  if (!columns.is_null(10)) row.btime = time_in(columns, 10);
  row.md5 = sum_in<Digest>(columns, 12, 16);
  row.sha256 = sum_in<Digest>(columns, 13, 32);
  row.check = sum_in<Check>(columns, 14, 16);
  row.has_xattrs = columns.integer(15) != 0;
  return columns.integer(16) == row_sum(columns.integer(0), name, row);
}

}  // namespace reverse
