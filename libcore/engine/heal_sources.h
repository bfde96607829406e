#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/engine/verify_finding.h"
#include "libcore/store/repository.h"

namespace reverse {

/// The contents that a repository lost and that were not found yet. One thread at a time.
class WantedContents {
 public:
  explicit WantedContents(DigestKind kind) : kind_(kind) {}

  void add(const Finding& finding);
  void remove(const Finding& finding);

  bool empty() const { return findings_.empty(); }
  DigestKind digest() const { return kind_; }
  bool has_size(std::uint64_t size) const { return sizes_.count(size) > 0; }
  /// The one with these sums; nullptr if none has. Valid until the next change.
  const Finding* find(const Sums& sums) const;
  /// All, in the order of their digests.
  std::vector<Finding> list() const;

 private:
  const DigestKind kind_;
  std::map<ContentKey, Finding> findings_;
  std::map<std::uint64_t, std::size_t> sizes_;  // of how many findings
};

/// A file that may hold a wanted content.
struct HealCandidate {
  std::string name;        ///< where it lies, as messages name it
  std::uint64_t size = 0;  ///< bytes
  bool is_named = false;   ///< it lies under the content's own digest, so it is hardly another
  /// Sends all bytes from the first; may be called again. An `Error` says that this candidate is of
  /// no use, unless it is `retryable`.
  std::function<void(ByteSink&)> read;
};

/// Something that may still hold what a repository lost. One thread at a time.
class HealSource {
 public:
  using Offer = std::function<void(const HealCandidate&)>;
  /// Told of what could not be looked at.
  using Warn = std::function<void(const std::string& message)>;

  virtual ~HealSource() = default;

  /// Offers every file that may hold one of `wanted`, which shrinks while this goes on; nothing
  /// promises that it does. Throws `Cancelled`, or what ends the search.
  virtual void search(const WantedContents& wanted, const Offer& offer, const Warn& warn,
                      const std::stop_token& stop) = 0;
  /// A page's verified text; nullopt if it is not to be had here.
  virtual std::optional<std::string> page(const Sums&) { return std::nullopt; }
};

/// Another repository. With the same digest, objects are asked for by name; with the other, those
/// of a wanted size are read, and pages, which name digests, are not to be had. It must outlive the
/// source.
std::unique_ptr<HealSource> repository_source(const Repository& repository, DigestKind wanted);

/// A local directory of any kind: a live tree, an old copy, a disk. Files of a wanted size are read,
/// whatever their names; symlinks are not followed.
std::unique_ptr<HealSource> directory_source(const std::string& path);

}  // namespace reverse
