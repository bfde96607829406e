#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libcore/base/file_type.h"
#include "libcore/base/timestamp.h"
#include "libcore/hash/digest.h"

namespace reverse {

/// One name of a tree at one time (schema/FORMAT.md, "Entry").
struct Entry {
  FileType type = FileType::file;
  std::string path;        ///< raw bytes, relative to the source, no leading '/'; "" is the root
  std::uint32_t mode = 0;  ///< permission bits with set-id and sticky
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string owner;             ///< "joe:users"; a side without a (clean) name is empty
  Timestamp mtime;               ///< not written for repositories
  std::uint64_t size = 0;        ///< files only
  std::optional<Digest> digest;  ///< files only; absent if `error` is set
  std::optional<Check> check;    ///< with an MD5 digest
  bool changed = false;          ///< changed while read; content is what was read
  std::string error;             ///< why a file's content or a directory's names are missing
  std::optional<std::uint64_t> hardlink;  ///< group: XXH3-64 of its first member's path
  bool sparse = false;
  std::uint32_t device_major = 0, device_minor = 0;  ///< devices only
  Xattrs xattrs;
  std::string target;         ///< symlinks only, raw bytes
  std::string repository_id;  ///< repositories only

  bool operator==(const Entry&) const = default;
};

/// The format's order: '/' counts as byte 0, else unsigned bytes; a prefix is less. Negative, 0 or
/// positive.
int compare_paths(std::string_view a, std::string_view b);
/// True if `path` is `ancestor` or lies below it. Everything lies below "".
bool is_below(std::string_view path, std::string_view ancestor);

/// Bytes that a line of a page may have, its newline not counted.
inline constexpr std::size_t kMaxLine = 1 << 20;

/// False if the entry's line would be longer than `kMaxLine`. The caller then clears `xattrs` and
/// reports that; only a path or target beyond 300 kB can still be too long after it.
bool entry_fits(const Entry& entry);

/// Appends the entry's line with its newline. Deterministic: equal entries give equal bytes.
/// Members that do not belong to the entry's type are not written; an `error` that is not clean is
/// written in percent form. Throws `internal` for an entry that no reader would accept (a path with
/// "..", a file with neither digest nor error, a line that does not fit): what is written can
/// always be read.
void append_entry(std::string& out, const Entry& entry);

/// Appends the line that an entry has at `to`, with its newline, made of the one that it has at
/// `from`, without. Throws `corrupt` if `line` is another entry's. It is not looked at whether the
/// outcome fits into a line.
void append_moved(std::string& out, std::string_view line, std::string_view from,
                  std::string_view to);

/// Reads entry lines strictly: what it accepts, `append_entry` writes again byte for byte (but for
/// keys that begin with "x-"). One thread at a time; keep one, it holds the JSON parser's buffers.
class EntryParser {
 public:
  explicit EntryParser(DigestKind kind);
  ~EntryParser();
  /// `line` without its newline. Throws `corrupt`: the reason only, the caller names page and line.
  Entry parse(std::string_view line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace reverse
