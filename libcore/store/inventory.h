#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/hash/digest.h"
#include "libcore/store/content_key.h"

namespace reverse {

/// What a repository has, as read from a list of it (schema/FORMAT.md, "Inventory"): so that what
/// it lacks can be told without it. 32 bytes of memory an object. Immutable once read.
class Inventory {
 public:
  /// Reads a whole list. `name` is what errors call it. Throws `usage` naming the line.
  static Inventory parse(std::string_view text, std::string_view name);

  /// How the repository names its objects; nullopt where it has none.
  std::optional<DigestKind> digest() const { return digest_; }
  /// True if the content is there, as far as names tell.
  bool has(const Sums& sums) const;
  /// The same of a revision, "HOST/LABEL/NAME".
  bool has_revision(const std::string& revision) const;

 private:
  std::optional<DigestKind> digest_;
  std::vector<ContentKey> objects_;     // sorted
  std::vector<std::string> revisions_;  // sorted
};

}  // namespace reverse
