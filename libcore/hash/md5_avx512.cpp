// MD5 with AVX-512 (F and VL). Compiled for it (libcore/CMakeLists.txt), and run only where it is
// there. Sixteen contents are faster as two groups of half a register than as one of a whole.

#include "libcore/hash/md5_kernel.h"

namespace reverse {

Md5KernelTable md5_avx512_kernels() {
#ifdef __AVX512VL__
  static constexpr Md5Kernel kernels[] = {{1, md5_blocks<1, 1>},  {2, md5_blocks<1, 2>},
                                          {4, md5_blocks<4, 1>},  {8, md5_blocks<8, 1>},
                                          {16, md5_blocks<8, 2>}, {32, md5_blocks<16, 2>}};
  return {kernels, sizeof kernels / sizeof *kernels};
#else
  return {};
#endif
}

}  // namespace reverse
