// MD5 with AVX2. Compiled for it (libcore/CMakeLists.txt), and run only where it is there.

#include "libcore/hash/md5_kernel.h"

namespace reverse {

Md5KernelTable md5_avx2_kernels() {
#ifdef __AVX2__
  static constexpr Md5Kernel kernels[] = {{1, md5_blocks<1, 1>},
                                          {2, md5_blocks<1, 2>},
                                          {4, md5_blocks<4, 1>},
                                          {8, md5_blocks<8, 1>},
                                          {16, md5_blocks<8, 2>}};
  return {kernels, sizeof kernels / sizeof *kernels};
#else
  return {};
#endif
}

}  // namespace reverse
