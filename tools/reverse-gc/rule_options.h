#pragma once

#include "libcore/cli/option_set.h"
#include "libcore/engine/retention.h"

namespace reverse {

/// Declares the options that say what is kept, with their targets in `rules`, which must outlive
/// `options`.
void declare_rules(OptionSet& options, RetentionRules& rules);

}  // namespace reverse
