#include "libcore/base/bytes.h"

#include <cstddef>
#include <functional>

namespace reverse {

namespace {
constexpr std::size_t kZeroBlockSize = 1 << 20;
const char kZeros[kZeroBlockSize] = {};
}  // namespace

ByteView zero_block() {
  return {kZeros, kZeroBlockSize};
}

bool is_hole(ByteView bytes) {
  std::less_equal<const char*> at_most;
  return !bytes.empty() && at_most(kZeros, bytes.data()) &&
         at_most(bytes.data() + bytes.size(), kZeros + kZeroBlockSize);
}

}  // namespace reverse
