#include "libcore/base/temp_dir.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "libcore/base/error.h"

namespace reverse {

TempDir::TempDir() {
  const char* base = std::getenv("TMPDIR");
  path_ = fmt::format("{}/reverse-XXXXXX", base != nullptr && *base != '\0' ? base : "/tmp");
  if (::mkdtemp(path_.data()) == nullptr) throw_errno(errno, fmt::format("mkdtemp '{}'", path_));
}

TempDir::~TempDir() {
  std::error_code ignored;  // a left-over directory is no reason to fail
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace reverse
