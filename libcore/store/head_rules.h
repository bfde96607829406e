#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "libcore/store/head.h"

namespace reverse {

// What heads are made of beyond their keys (schema/FORMAT.md, "Head"). Writers and readers hold to
// the same.

inline constexpr std::size_t kMaxProblems = 100;

/// Why no reader would accept the head; nullptr if one would.
const char* head_flaw(const Head& head);
/// The last line, over everything before it.
std::string head_end_line(std::string_view body);
/// All lines but the last.
std::string head_body(const Head& head);

}  // namespace reverse
