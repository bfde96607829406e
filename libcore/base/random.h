#pragma once

#include <cstddef>
#include <string>

namespace reverse {

/// `bytes` random bytes of the kernel as lower-case hex: names that nobody else has.
std::string random_hex(std::size_t bytes);

/// A version 4 UUID, "6f0c2a7e-…".
std::string random_uuid();

}  // namespace reverse
