#include "libcore/engine/seen_entries.h"

#include "libcore/catalog/present_set.h"

namespace reverse {

void SeenEntries::append(std::uint64_t number) {
  bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void SeenEntries::append(std::string_view text) {
  append(text.size());
  bytes_.append(text);
}

void SeenEntries::add(std::string_view path, const FileStatus& status, std::string_view target,
                      std::string_view owner) {
  append(path);
  append(target);
  append(owner);
  const auto bits = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
  for (std::uint64_t number :
       {static_cast<std::uint64_t>(status.type), std::uint64_t{status.mode},
        std::uint64_t{status.uid} << 32 | status.gid, status.size, std::uint64_t{status.sparse()},
        status.inode, std::uint64_t{status.device_major} << 32 | status.device_minor,
        bits(status.mtime.seconds), std::uint64_t{status.mtime.nanoseconds},
        bits(status.ctime.seconds), std::uint64_t{status.ctime.nanoseconds}})
    append(number);
  ends_.push_back(bytes_.size());
}

std::string SeenEntries::marks() const {
  std::string marks;
  marks.reserve(ends_.size() * kMarkBytes);
  std::size_t begin = 0;
  for (const std::size_t end : ends_) {
    const std::uint64_t mark = xxh3_64(std::string_view(bytes_).substr(begin, end - begin), 0);
    marks.append(reinterpret_cast<const char*>(&mark), kMarkBytes);
    begin = end;
  }
  return marks;
}

}  // namespace reverse
