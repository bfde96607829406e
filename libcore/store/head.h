#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/timestamp.h"
#include "libcore/hash/digest.h"
#include "libcore/store/tree.h"

namespace reverse {

/// How a backup ended (schema/FORMAT.md, "Head"). Frozen.
enum class Outcome : std::uint8_t {
  complete,
  incomplete,  ///< something could not be read
  checkpoint,  ///< what was stored so far by a run that went on
};
std::string_view to_string(Outcome outcome);

/// One file or directory that could not be backed up as it was.
struct Problem {
  std::string path;   ///< relative to the source, raw bytes
  std::string stage;  ///< "list", "open", "read", "changed", "vanished", "xattrs", …
  std::string error;
  bool operator==(const Problem&) const = default;
};

/// A nested repository that was met (schema/FORMAT.md, "Nested repositories").
struct NestedRepository {
  std::string id;
  std::string path;         ///< relative to the source, raw bytes
  std::uint64_t heads = 0;  ///< heads it held
  std::uint64_t added = 0;  ///< of them copied in this run
  bool operator==(const NestedRepository&) const = default;
};

/// Everything a head says; its tree's content is in pages. Immutable once published.
struct Head {
  std::string id;          ///< UUID
  std::string repository;  ///< id of the repository it was made in
  std::string token;       ///< the gate it came through
  std::string host, label, machine;
  std::string source;             ///< absolute path, raw bytes
  std::string started, finished;  ///< RFC 3339 with offset
  std::string timezone;
  std::string tool;  ///< "reverse 0.1.0"
  std::optional<std::string> previous;
  DigestKind digest = DigestKind::md5;
  std::vector<std::string> tags;
  std::vector<std::string> needs;
  Outcome outcome = Outcome::complete;
  std::uint64_t entries = 0, files = 0, bytes = 0, new_objects = 0, new_bytes = 0;
  std::vector<Problem> problems;    ///< at most 100
  std::uint64_t problem_count = 0;  ///< all of them
  std::vector<NestedRepository> repositories;
  PageRef tree;

  /// "HOST/LABEL"
  std::string set() const { return host + "/" + label; }
  /// "HOST/LABEL/20140125T100000Z-6f0c2a7e": the name it is published under.
  std::string revision() const;

  bool operator==(const Head&) const = default;
};

/// Bytes that a head's file may have.
inline constexpr std::size_t kMaxHeadBytes = 16 << 20;

/// The whole file, `end` line included. Throws `internal` for a head that no reader would accept
/// (an id that is no UUID, a host or label that cannot name a directory, a text that is not clean;
/// `stage` and `error` of problems may be anything).
std::string format_head(const Head& head);
/// Reads strictly. `name` is what errors call it. Throws `corrupt` (torn, malformed),
/// `no_repository` (newer format or a feature in `needs` that this program does not know).
Head parse_head(std::string_view text, std::string_view name);

}  // namespace reverse
