#include "libcore/cli/name_list.h"

#include <string_view>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/read_all.h"
#include "libcore/base/text.h"

namespace reverse {

namespace {

constexpr std::size_t kLongestList = std::size_t{1} << 30;  // bytes

}  // namespace

std::optional<std::vector<std::string>> names_in_files(const std::optional<std::string>& lines,
                                                       const std::optional<std::string>& zeros,
                                                       int stdin_fd) {
  if (lines && zeros)
    fail(ErrorKind::usage, "--files-from and --files-from0 exclude each other");
  if (!lines && !zeros) return std::nullopt;
  const std::string& file = lines ? *lines : *zeros;
  const std::string text = file == "-" ? read_all(stdin_fd, "standard input", kLongestList)
                                       : read_file(file, kLongestList);
  std::vector<std::string> names;
  for (const std::string_view name : split(text, lines ? '\n' : '\0'))
    if (!name.empty()) names.emplace_back(name);
  return names;
}

}  // namespace reverse
