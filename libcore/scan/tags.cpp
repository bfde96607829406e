#include "libcore/scan/tags.h"

#include <fcntl.h>
#include <unistd.h>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/scan/stat_name.h"

namespace reverse {

namespace {

bool begins_with(int directory, const Tag& tag) {
  FileStatus status;
  if (stat_name(directory, tag.name.c_str(), status) != 0 || status.type != FileType::file)
    return false;  // looked at first, because opening a device may do things
  UniqueFd fd(open_quietly(directory, tag.name.c_str(), O_RDONLY, status.uid));
  if (!fd) return false;
  std::string begin(tag.header.size(), '\0');
  return ::pread(fd.get(), begin.data(), begin.size(), 0) == static_cast<ssize_t>(begin.size()) &&
         begin == tag.header;
}

}  // namespace

Tag parse_tag(const std::string& text) {
  std::size_t colon = text.find(':');
  Tag tag{text.substr(0, colon), colon == std::string::npos ? "" : text.substr(colon + 1)};
  if (tag.name.empty() || tag.name.find('/') != std::string::npos)
    fail(ErrorKind::usage, "'{}' is not of the form FILE or FILE:HEADER with a plain name", text);
  return tag;
}

Tag cache_directory_tag() {
  return {"CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55"};
}

const Tag* find_tag(int fd, const Listing& names, const std::vector<Tag>& tags) {
  for (const Tag& tag : tags)
    if (names.contains(tag.name) && (tag.header.empty() || begins_with(fd, tag))) return &tag;
  return nullptr;
}

}  // namespace reverse
