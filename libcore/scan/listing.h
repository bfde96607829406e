#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace reverse {

/// Names of one directory: all of them in one block of memory, ordered bytewise once `sort` was
/// called. One thread at a time.
class Listing {
 public:
  struct Name {
    std::uint64_t
        key;  ///< the first eight bytes as a big-endian number: most comparisons end there
    std::size_t offset;  ///< of the NUL-terminated name
    std::uint16_t size;  ///< bytes
    unsigned char type;  ///< d_type; DT_UNKNOWN where the file system does not tell
  };

  void add(std::string_view name, unsigned char type);
  /// Orders the names and drops those listed twice, as may happen while others rename.
  void sort();
  /// Leaves only `name`, or nothing if it is not there. Sorted listings only.
  void keep_only(std::string_view name);

  std::size_t size() const { return names_.size(); }
  const Name& operator[](std::size_t index) const { return names_[index]; }
  const char* c_str(const Name& name) const { return text_.data() + name.offset; }
  std::string_view view(const Name& name) const { return {c_str(name), name.size}; }
  /// Sorted listings only.
  bool contains(std::string_view name) const;

 private:
  std::string text_;
  std::vector<Name> names_;
};

/// Reads all names of the open directory `fd` but `.` and `..` and sorts them. Returns 0 or an
/// errno, after which `listing` is not to be used: EFBIG if there are more than `most`. `buffer` of
/// `buffer_size` bytes is scratch memory.
int read_listing(int fd, char* buffer, std::size_t buffer_size, Listing& listing,
                 std::size_t most = std::numeric_limits<std::size_t>::max());

}  // namespace reverse
