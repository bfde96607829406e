#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libcore/backend/backend.h"

namespace reverse {

// Names below trash/ (schema/FORMAT.md, "Tree"). An object keeps its name there; what was left of
// a revision gets one that no object can have.

/// "trash/RUN"
RepoPath trash_run(std::string_view run);
/// "trash/RUN/NAME"
RepoPath trash_path(std::string_view run, std::string_view name);

/// "HOST@LABEL@NAME.yaml" for the head of revision "HOST/LABEL/NAME".
std::string trashed_head_name(std::string_view revision);
/// "HOST@LABEL@NAME.mark" for its mark.
std::string trashed_mark_name(std::string_view revision);
/// The revision whose mark or head has that name in the trash; nullopt for any other name.
std::optional<std::string> revision_of_trashed_mark(std::string_view name);
std::optional<std::string> revision_of_trashed_head(std::string_view name);

}  // namespace reverse
