#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libcore/backend/backend.h"
#include "libcore/hash/digest.h"

namespace reverse {

/// Where everything lies in a repository: the only place that knows (schema/FORMAT.md, "Tree").
namespace layout {

inline const RepoPath kRepositoryFile = "repository.yaml";
inline const RepoPath kRecoverText = "RECOVER.txt";
inline const RepoPath kRestoreScript = "restore.sh";
inline const RepoPath kReserve = "reserve";
inline const RepoPath kFeatures = "features";
inline const RepoPath kManifests = "manifests";
inline const RepoPath kObjects = "objects";
inline const RepoPath kTemporaries = "tmp";
inline const RepoPath kTrash = "trash";
inline const RepoPath kBad = "bad";
inline const RepoPath kForgotten = "forgotten";
inline const RepoPath kGc = "gc";
inline const RepoPath kWriting = "writing";
/// The feature of a repository whose revisions may need objects that lie elsewhere.
inline const RepoPath kPartialFeature = "features/write-partial";

/// Shard directories are made at creation and never removed.
inline constexpr int kShards = 256;
/// "objects/ab" for shard 0xab.
RepoPath shard(int index);

/// "manifests/HOST/LABEL" for set "HOST/LABEL".
RepoPath set_directory(std::string_view set);
/// "manifests/HOST/LABEL/NAME.yaml" for revision "HOST/LABEL/NAME".
RepoPath head(std::string_view revision);
/// "forgotten/HOST/LABEL/NAME" for the mark of revision "HOST/LABEL/NAME".
RepoPath mark(std::string_view revision);
/// "writing/TOKEN"
RepoPath gate(std::string_view token);
/// "writing/TOKEN/UUID.yaml": a head before it is published.
RepoPath unpublished_head(std::string_view token, std::string_view uuid);

/// True for what HOST and LABEL may be: 1 to 100 of `A-Za-z0-9._+-`, the first not a dot
/// (schema/FORMAT.md, "Sets").
bool is_set_component(std::string_view name);
/// True for a revision's last part, "20140125T100000Z-6f0c2a7e".
bool is_revision_name(std::string_view name);
/// True for a token of the gate: 32 lower-case hex digits.
bool is_token(std::string_view name);
/// True for a UUID in lower-case hex, "6f0c2a7e-….".
bool is_uuid(std::string_view text);

}  // namespace layout

/// The name of an object: its digest, and behind '-' its check where the plain name was already
/// taken by another content with the same digest (schema/FORMAT.md, "Resolution").
struct ObjectName {
  Digest digest;
  std::optional<Check> variant;

  auto operator<=>(const ObjectName&) const = default;
};

std::string to_string(const ObjectName& name);
/// nullopt for names that are not an object's ("foreign").
std::optional<ObjectName> parse_object_name(std::string_view name);
/// "objects/ab/abcdef…"
RepoPath object_path(const ObjectName& name);

}  // namespace reverse
