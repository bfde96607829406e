#pragma once

#include <map>
#include <string>
#include <vector>

namespace reverse {

/// Everything that a faithful copy of one name must share with it, but for content and blocks, which
/// are kept apart: a text such as "file 0644 1000:1000 1390644000.123456789 12 bytes …".
struct NameFacts {
  std::string text;
  unsigned long long blocks = 0;  ///< of 512 bytes
};

/// The facts of every name below `root` and of itself (""), however deep; paths relative to it.
/// Names that are one inode say so by the first path of theirs.
using TreeFacts = std::map<std::string, NameFacts>;
TreeFacts facts_of(const std::string& root);

/// What `copy` has in another way than `source`, one line a name; empty if it is faithful.
/// More blocks than the source's are a difference, fewer are not.
std::vector<std::string> differences(const TreeFacts& source, const TreeFacts& copy);

}  // namespace reverse
