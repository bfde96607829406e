#pragma once

#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

#include "libcore/store/content_key.h"

namespace reverse {

/// What is wrong with an object, or with a head.
enum class DamageKind : std::uint8_t {
  missing,     ///< it is not there
  size,        ///< it has another size than revisions say
  digest,      ///< its content is not what its name says
  check,       ///< another content with the same digest lies under its name
  unreadable,  ///< the medium does not deliver it
  mode,        ///< its permissions or owner let somebody write, perhaps through a linked view
  page,        ///< its content is what its name says, but no page of this format
  manifest,    ///< a head that is torn, malformed or gone
};

/// "missing", "digest", …: what reports have. Frozen.
std::string_view to_string(DamageKind kind);

/// The name that stands for a key: a variant where there is a check.
ObjectName name_of(const ContentKey& key, DigestKind kind);

/// A content that is not there as it should be.
struct Finding {
  ContentKey content;      ///< as revisions refer to it; where none does, the object's name
  std::uint64_t size = 0;  ///< bytes: as revisions say, or as stored
  DamageKind kind = DamageKind::missing;
  bool is_cited = false;
  bool is_variant = false;  ///< it is about the object DIGEST-CHECK, not DIGEST
  bool is_page = false;

  /// The object it is about.
  ObjectName name(DigestKind digest) const;
  /// What revisions say of the content.
  Sums sums(DigestKind digest) const;
};

/// All findings of a run; one for each content, the first counts. Thread-safe.
class Findings {
 public:
  void add(const Finding& finding);
  /// All so far, in order; nothing is kept.
  std::vector<Finding> take();

 private:
  std::mutex mutex_;
  std::vector<Finding> findings_;
};

}  // namespace reverse
