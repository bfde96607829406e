#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/engine/verify.h"

namespace reverse {

/// A revision whose head is in order.
struct VerifiedHead {
  std::string revision;  ///< "HOST/LABEL/NAME"
  PageRef tree;
};

/// Reads every head, or those that `options` names; tells of those that are damaged, and of those
/// that gc once saw and nobody removed. Counts foreign names in manifests/ in `report`, and gives
/// them to `foreign`.
std::vector<VerifiedHead> verify_heads(const VerifyDeps& deps, const VerifyOptions& options,
                                       VerifyReport& report,
                                       const std::function<void(const RepoPath&)>& foreign);

}  // namespace reverse
