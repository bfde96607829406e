#include "libcore/base/heap.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace reverse {

namespace {

constexpr std::uintptr_t kHugePage = 2 << 20;
constexpr int kReserved = 64 << 20;      // bytes of addresses; memory comes as it is used
constexpr int kUsualGrowth = 128 << 10;  // glibc's
constexpr std::size_t kMoreThanLeft = 140 << 10;  // of the heap as it was when the process began
constexpr std::uintptr_t kBefore = kMoreThanLeft + (4 << 10);

std::uintptr_t heap_end() { return reinterpret_cast<std::uintptr_t>(::sbrk(0)); }

/// Pieces of files are allocated in one thread and freed in another, again and again. By default
/// each would go back to the kernel and come back page by page, cleared: a tenth of a restore's
/// work.
void keep_freed_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 4 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 2 * kReserved);
}

/// The same as glibc's tunable `glibc.malloc.hugetlb=1`, which is for whoever starts a process. What
/// malloc writes while the heap grows must lie before the first huge page: none is made where there
/// is a small page already.
void use_huge_pages() {
  const std::uintptr_t past = (heap_end() + kBefore) % kHugePage;
  ::sbrk(static_cast<std::intptr_t>(kHugePage - past));
  const std::uintptr_t begin = heap_end() + kBefore;
  ::mallopt(M_TOP_PAD, kReserved);
  void* volatile block = std::malloc(kMoreThanLeft);  // the heap grows
  std::free(block);
  ::mallopt(M_TOP_PAD, kUsualGrowth);
  const std::uintptr_t end = heap_end();
  if (end > begin) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace

void prepare_heap() {
  keep_freed_memory();
  use_huge_pages();
}

}  // namespace reverse
