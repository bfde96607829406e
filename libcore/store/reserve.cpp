#include "libcore/store/reserve.h"

#include "libcore/base/random.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr std::size_t kBytes = 1 << 20;
constexpr std::uint32_t kMode = 0444;

}  // namespace

std::unique_ptr<Upload> upload_reserve(Backend& backend) {
  // Random, so that no file system stores it in less.
  return upload_text(backend, random_hex(kBytes / 2), kMode);
}

void make_reserve(Backend& backend) {
  if (backend.stat(layout::kReserve)) return;
  std::unique_ptr<Upload> upload = upload_reserve(backend);
  Publication publication{upload.get(), layout::kReserve};
  backend.publish({&publication, 1});
}

}  // namespace reverse
