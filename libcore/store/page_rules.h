#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace reverse {

// schema/FORMAT.md, "Pages" and "Where pages begin". All frozen.

inline constexpr std::string_view kPageHeader = "# reverse page 1\n";
inline constexpr std::size_t kMinItems = 16;  ///< before a page may end at a cut point
inline constexpr std::size_t kMaxItems = 128;
inline constexpr std::size_t kMaxPageBytes = 256 << 10;  ///< but two items always fit
inline constexpr std::uint64_t kCutBelow = std::uint64_t{1}
                                           << 60;  ///< one item in 16 is a cut point

}  // namespace reverse
