#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace reverse {

/// When each object of one repository was last verified from this machine, in a file of its own
/// (DIRECTORY/verified-REPOSITORY-1.sqlite; schema/verified.sql). What was noted is on disk within
/// a second, object by object, so that a run that is killed has not worked in vain. Names are raw
/// bytes: a digest, and the check behind it for variants. Thread-safe. Errors and damaged files: as
/// the catalog's.
class VerifiedSet {
 public:
  static std::unique_ptr<VerifiedSet> open(const std::string& directory,
                                           const std::string& repository_id,
                                           const std::function<void(const std::string&)>& warn);
  virtual ~VerifiedSet() = default;

  /// Visits what is known of objects whose digest begins with byte `first`, in order; seconds since
  /// 1970. `visit` must not call this object.
  virtual void visit_shard(
      unsigned first,
      const std::function<void(std::string_view name, std::int64_t verified)>& visit) = 0;
  /// How many objects were verified in each minute (since 1970).
  virtual std::map<std::int64_t, std::uint64_t> minutes() = 0;

  /// The object was whole at `verified`.
  virtual void note(std::string_view name, std::int64_t verified) = 0;
  /// Nothing is known of the object any more.
  virtual void forget(std::string_view name) = 0;
  /// Writes all that was noted so far.
  virtual void save() = 0;
};

}  // namespace reverse
