#pragma once

#include <stop_token>

#include "libcore/engine/observer.h"
#include "libcore/engine/verify_finding.h"
#include "libcore/store/repository.h"

namespace reverse {

/// Looks at findings a second time, past the page cache: others may have healed an object or moved
/// it meanwhile, a listing may have hidden it, memory may have deceived us. One thread at a time.
class Confirmation {
 public:
  /// `quick`: contents are not read. All must outlive it.
  Confirmation(const Repository& repository, bool quick, Observer& observer, std::stop_token stop)
      : repository_(repository), quick_(quick), observer_(observer), stop_(std::move(stop)) {}

  /// False if the content is there as it should be. The finding's kind is made what it is now.
  bool is_still_damaged(Finding& finding);

 private:
  bool is_still_missing(Finding& finding);
  bool is_still_wrong(Finding& finding);
  bool is_stored_anywhere(const Finding& finding);

  const Repository& repository_;
  const bool quick_;
  Observer& observer_;
  const std::stop_token stop_;
};

}  // namespace reverse
