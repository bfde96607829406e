#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "libcore/hash/digest.h"

namespace reverse {

/// What contents of one repository are called by the other digest, as they were hashed by this
/// program, in a file of its own (DIRECTORY/translations-REPOSITORY-1.sqlite;
/// schema/translations.sql). What was noted is on disk within a second. Thread-safe.
///
/// A cache that fails costs time only: `warn` hears of it once, and from then on nothing is known
/// and nothing noted.
class Translations {
 public:
  static std::unique_ptr<Translations> open(const std::string& directory,
                                            const std::string& repository_id,
                                            const std::function<void(const std::string&)>& warn);
  virtual ~Translations() = default;

  /// The sums by the other digest; nullopt where they are not known.
  virtual std::optional<Sums> find(const Sums& from) = 0;
  /// A content that is `from` was hashed by the other digest and is `to`.
  virtual void note(const Sums& from, const Sums& to) = 0;
  /// Writes all that was noted so far.
  virtual void save() = 0;
};

/// Opens what this machine has noted of a repository's contents.
using OpenTranslations =
    std::function<std::unique_ptr<Translations>(const std::string& repository_id)>;

}  // namespace reverse
