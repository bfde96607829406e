#include "tests/support/stride.h"

#include <cstdlib>

#include "libcore/base/error.h"

namespace reverse {

namespace {

std::size_t read_environment() {
  const char* text = std::getenv("REVERSE_TEST_STRIDE");
  if (text == nullptr) return 1;
  char* end = nullptr;
  const unsigned long every = std::strtoul(text, &end, 10);
  if (every == 0 || *end != '\0')
    fail(ErrorKind::usage, "REVERSE_TEST_STRIDE='{}' is no number from 1", text);
  return every;
}

}  // namespace

std::size_t Stride::every() {
  static const std::size_t every = read_environment();
  return every;
}

}  // namespace reverse
