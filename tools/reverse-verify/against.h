#pragma once

#include <string>

#include "libcore/cli/tool.h"
#include "libcore/engine/revisions.h"
#include "libcore/store/repository.h"

namespace reverse {

/// --against: compares `directory`, as on the command line, with a revision or a directory of one,
/// and tells what differs. `damage` where anything has rotted, `incomplete` where not everything
/// could be compared. Throws `usage`, `not_found`.
ExitCode verify_against(const Repository& repository, const RevisionPath& revision,
                        const std::string& directory, Invocation& call);

}  // namespace reverse
