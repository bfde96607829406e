#pragma once

#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

namespace reverse {

/// Says on stderr that something is not tested here, and why.
inline void skip_loudly(const std::string& reason) {
  std::fprintf(stderr, "SKIPPED: %s\n", reason.c_str());
}

}  // namespace reverse

/// Leaves the test case, saying why: "no sshd here". For use in its body only.
#define SKIP_LOUDLY(reason)         \
  do {                              \
    ::reverse::skip_loudly(reason); \
    WARN("SKIPPED: " << (reason));  \
    return;                         \
  } while (false)
