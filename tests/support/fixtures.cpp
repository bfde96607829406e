#include "tests/support/fixtures.h"

#include <cstdlib>
#include <filesystem>

namespace reverse {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVariable = "REVERSE_TEST_FIXTURES";

void open_to_all(const fs::path& path) {
  using fs::perms;
  const perms read = perms::owner_read | perms::group_read | perms::others_read;
  const perms search = perms::owner_exec | perms::group_exec | perms::others_exec;
  const fs::file_status status = fs::symlink_status(path);
  if (fs::is_symlink(status)) return;
  const perms added = fs::is_directory(status) ? read | search : read;
  fs::permissions(path, added, fs::perm_options::add);
}

}  // namespace

std::string fixture(const std::string& name) {
  const char* shared = std::getenv(kVariable);
  return std::string(shared != nullptr ? shared : REVERSE_SOURCE_DIR "/tests/fixtures") + "/" +
         name;
}

void share_fixtures(const std::string& directory) {
  const auto how = fs::copy_options::recursive | fs::copy_options::copy_symlinks;
  fs::copy(REVERSE_SOURCE_DIR "/tests/fixtures", directory, how);
  open_to_all(directory);
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory))
    open_to_all(entry.path());
  ::setenv(kVariable, directory.c_str(), 1);
}

}  // namespace reverse
