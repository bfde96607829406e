#include "libcore/hash/md5_kernels.h"

#include <vector>

namespace reverse {
namespace {

std::vector<Md5Machine> find_machines() {
  std::vector<Md5Machine> machines;
  const auto add = [&](const char* name, Md5KernelTable table) {
    if (table.count > 0) machines.push_back({name, {table.kernels, table.count}});
  };
  add("scalar", md5_scalar_kernels());
  add("128-bit", md5_vector_kernels());
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2")) add("avx2", md5_avx2_kernels());
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
    add("avx512", md5_avx512_kernels());
#endif
  return machines;
}

}  // namespace

std::span<const Md5Machine> md5_machines() {
  static const std::vector<Md5Machine> machines = find_machines();
  return machines;
}

}  // namespace reverse
