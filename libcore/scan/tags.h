#pragma once

#include <string>
#include <vector>

#include "libcore/scan/listing.h"

namespace reverse {

/// A file whose presence says that its directory is not worth keeping.
struct Tag {
  std::string name;
  std::string header;  ///< the file must begin with it; empty: presence is enough
};

/// FILE or FILE:HEADER, split at the first colon. Throws `usage` if FILE is empty or holds a slash.
Tag parse_tag(const std::string& text);

/// CACHEDIR.TAG with its signature. Source: https://bford.info/cachedir/
Tag cache_directory_tag();

/// The first of `tags` that the directory `fd` with those `names` bears, or null. A tag file that
/// cannot be read, or is no regular file where a header is asked for, is no tag: in doubt the
/// directory is kept.
const Tag* find_tag(int fd, const Listing& names, const std::vector<Tag>& tags);

}  // namespace reverse
