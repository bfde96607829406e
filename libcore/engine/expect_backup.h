#pragma once

#include <optional>
#include <string>

#include "libcore/backend/backend.h"
#include "libcore/catalog/present_set.h"

namespace reverse {

/// Says what a backup reads before it begins (`Backend::expect`): all of it takes a distant repository one question and one answer.
/// `set`: "HOST/LABEL" of the revision to come; `basis`: what is known of the repository, if it is still the one that was at that
/// place last time.
void expect_backup(Backend& backend, const std::string& set,
                   const std::optional<PresentSet::Basis>& basis);

}  // namespace reverse
