#pragma once

namespace reverse {

/// Moves this program's clock, not the kernel's, ahead by `seconds` until the test's end: files
/// written before look that much older to a run, so that it trusts what it learnt of them.
void advance_clock(int seconds);

}  // namespace reverse
