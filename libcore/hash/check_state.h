#pragma once

#include "libcore/base/bytes.h"
#include "libcore/hash/digest.h"

struct XXH3_state_s;

namespace reverse {

/// Computes the `Check` of bytes that arrive in pieces. One thread at a time.
class CheckState {
 public:
  CheckState();
  ~CheckState();
  CheckState(const CheckState&) = delete;
  CheckState& operator=(const CheckState&) = delete;

  void begin();
  void update(ByteView bytes);
  /// Of all bytes since `begin`.
  Check finish() const;

 private:
  XXH3_state_s* state_;
};

}  // namespace reverse
