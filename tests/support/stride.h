#pragma once

#include <cstddef>

namespace reverse {

/// Which of its moments a test tries that visits every one of them, such as a kill at every call:
/// all of them, or with REVERSE_TEST_STRIDE=K in the environment every K-th. That is for runs under
/// sanitizers, where a moment takes many times as long. One object for each such loop; it counts.
class Stride {
 public:
  /// Whether the moment that has come is left out. Asked once for each.
  bool skips() { return moment_++ % every() != 0; }

  /// K; 1 where the environment says nothing. Throws `Error` where that is no number from 1.
  static std::size_t every();

 private:
  std::size_t moment_ = 0;
};

}  // namespace reverse
