#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace reverse {

constexpr std::size_t kMd5BlockBytes = 64;
constexpr unsigned kMd5MaxLanes = 32;

/// The chaining variables (a, b, c, d) of each lane, in RFC 1321's order.
struct alignas(64) Md5States {
  std::uint32_t words[4][kMd5MaxLanes];
};

/// A loop that advances `lanes` MD5 states by some blocks each.
struct Md5Kernel {
  unsigned lanes;
  /// Hashes `blocks` blocks of 64 bytes at each of `at[0 ... lanes - 1]`, of any alignment, into
  /// the states of the first `lanes` lanes; moves every `at` behind what it hashed.
  void (*run)(Md5States& states, const unsigned char** at, std::size_t blocks);
};

struct Md5KernelTable {
  const Md5Kernel* kernels = nullptr;
  std::size_t count = 0;
};

/// An instruction set with the kernels that pay on it, by rising number of lanes; each is the
/// fastest for that many and for fewer.
struct Md5Machine {
  const char* name;
  std::span<const Md5Kernel> kernels;
};

/// What this machine can run, the fastest last; never empty. Thread-safe.
std::span<const Md5Machine> md5_machines();

// Each is compiled for its instruction set, hence no `span`: its functions would be, too, and might
// be the ones that everybody else is linked with. Empty where the compiler does not know the set.
Md5KernelTable md5_scalar_kernels();
Md5KernelTable md5_vector_kernels();  ///< SSE2, NEON: what the platform always has
Md5KernelTable md5_avx2_kernels();
Md5KernelTable md5_avx512_kernels();

}  // namespace reverse
