#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/backend/backend.h"
#include "libcore/hash/digest.h"
#include "libcore/store/head.h"
#include "libcore/store/layout.h"

namespace reverse {

/// What repository.yaml says. Constant over a repository's life.
struct RepositoryInfo {
  std::string id;  ///< UUID
  DigestKind digest = DigestKind::md5;
  std::string created;  ///< RFC 3339
};

std::string format_repository_info(const RepositoryInfo& info);
/// Throws `no_repository` for a newer format, `corrupt` if malformed.
RepositoryInfo parse_repository_info(std::string_view text, std::string_view name);

/// What lies at a location, looked at without changing it.
enum class LocationState {
  absent,
  empty,  ///< a directory without anything in it but what an interrupted creation, or mkfs, left
  repository,  ///< holds repository.yaml
  foreign,     ///< holds something else
};
LocationState look_at_location(Backend& backend);

/// Whether a partial copy will do where a repository is opened for writing.
enum class PartialCopy { refused, accepted };

/// An opened repository: layout, heads, and objects for readers. Does not own the backend.
/// Thread-safe as far as the backend is; immutable itself.
class Repository {
 public:
  /// Reads repository.yaml and features/. Throws `no_repository` where there is none, where the
  /// format is newer, or where a feature `read-*` is unknown (and `write-*` too if `for_writing`);
  /// `unsupported` for a partial copy, if `for_writing` and it is refused.
  static Repository open(Backend& backend, bool for_writing,
                         PartialCopy partial = PartialCopy::refused);
  /// Makes the whole layout in a location that is `absent` or `empty`, repository.yaml last and
  /// durable; finishes what an interrupted creation left. Throws `no_repository` where something
  /// else lies, `exists` where a repository does. `id`: its UUID; empty: a new one. `found`: what
  /// `look_at_location` has just found there, so that nobody looks twice.
  static Repository create(Backend& backend, DigestKind digest, std::string id = {},
                           std::optional<LocationState> found = {});

  const RepositoryInfo& info() const { return info_; }
  /// The token of the gate that `create` has opened; "" in a repository that was opened.
  const std::string& first_gate() const { return first_gate_; }
  /// True for a copy made to be carried: what its revisions need may lie elsewhere (schema/FORMAT.md,
  /// "Partial copies").
  bool is_partial() const { return is_partial_; }
  /// Makes it such a copy, durably and for good.
  void declare_partial();
  Backend& backend() const { return *backend_; }

  /// "HOST/LABEL" of every set, sorted. An empty directory is a set without revisions.
  std::vector<std::string> sets() const;
  /// The revision names ("20140125T100000Z-6f0c2a7e") of a set, oldest first; empty if the set is
  /// not there. Names that are not a revision's are left out (verify reports them).
  std::vector<std::string> revisions(std::string_view set) const;
  /// "HOST/LABEL/NAME" of every revision: sets in their order, then oldest first. Three round trips
  /// to a server.
  std::vector<std::string> all_revisions() const;
  /// Reads the head of "HOST/LABEL/NAME". Throws `not_found`, `corrupt` (another revision's, too).
  Head read_head(std::string_view revision) const;
  /// Of heads that are read one after the other says, now and then, which come soon
  /// (`Backend::expect`). `next`: the index of the one to be read now.
  void expect_heads(std::span<const std::string> revisions, std::size_t next) const;

  /// Streams an object to `sink` and hashes it on the way. Tries DIGEST-CHECK, then DIGEST, in
  /// objects/, trash/*/, bad/, then objects/ again. Throws `not_found`, or `corrupt` after the last
  /// byte if the sums differ: until then the sink's bytes are not to be trusted.
  void read_object(const Sums& wanted, ByteSink& sink) const;
  /// Says that it will be read soon (`Backend::expect`).
  void expect_object(const Sums& wanted) const;
  /// The same into memory, for pages: at most 16 MiB. Bytes are already verified.
  std::string read_object(const Sums& wanted) const;
  /// A `PageFetcher` over `read_object`. The repository must outlive it.
  PageFetcher page_fetcher() const;
  /// `expect_object` of a page; empty where a look costs no round trip. The repository must outlive
  /// it.
  PageHint page_hint() const;
  /// A reader of the whole tree of `head`.
  TreeReader tree(const Head& head) const;

 private:
  Repository(Backend& backend, RepositoryInfo info) : backend_(&backend), info_(std::move(info)) {}
  /// Says that these sets, or hosts, will be listed now.
  void expect_sets(const std::vector<std::string>& sets) const;

  Backend* backend_;
  RepositoryInfo info_;
  std::string first_gate_;
  bool is_partial_ = false;
};

}  // namespace reverse
