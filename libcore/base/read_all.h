#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace reverse {

/// All that can be read from `fd`, which errors call `name`. Throws `io` beyond `limit` bytes.
std::string read_all(int fd, std::string_view name, std::size_t limit = 64u << 20);

}  // namespace reverse
