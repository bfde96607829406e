#pragma once

#include <memory>
#include <optional>
#include <string>

#include "libcore/backend/backend.h"
#include "libcore/catalog/present_set.h"
#include "libcore/store/gate.h"
#include "libcore/store/repository.h"

namespace reverse {

/// The temporary of a head, asked for in a gate that was open last time. It must not outlive its backend.
struct AskedHead {
  std::string token;
  std::unique_ptr<HeadUpload> upload;  ///< of `ask_for_head`; nullptr: none
  bool is_first = false;  ///< this run has just made the repository: there is nothing to look for in it
};

/// Says what a backup reads before it begins (`Backend::expect`), and asks for its head's temporary: all of it takes a distant
/// repository one question and one answer; of one that is near nothing is asked.
/// `set`: "HOST/LABEL" of the revision to come; `basis`: what is known of the repository, if it is still the one that was at that
/// place last time.
AskedHead expect_backup(Backend& backend, const std::string& set,
                        const std::optional<PresentSet::Basis>& basis);

/// Likewise of a repository that `Repository::create` has just made, which needs not be read.
AskedHead expect_first_backup(const Repository& repository);

}  // namespace reverse
