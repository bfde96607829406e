// MD5 with what every machine of the platform has.

#include "libcore/hash/md5_kernel.h"

namespace reverse {

Md5KernelTable md5_scalar_kernels() {
  static constexpr Md5Kernel kernels[] = {{1, md5_blocks<1, 1>}, {2, md5_blocks<1, 2>}};
  return {kernels, sizeof kernels / sizeof *kernels};
}

Md5KernelTable md5_vector_kernels() {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  static constexpr Md5Kernel kernels[] = {
      {1, md5_blocks<1, 1>}, {2, md5_blocks<1, 2>}, {4, md5_blocks<4, 1>}, {8, md5_blocks<4, 2>}};
  return {kernels, sizeof kernels / sizeof *kernels};
#else
  return {};
#endif
}

}  // namespace reverse
