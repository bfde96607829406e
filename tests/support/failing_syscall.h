#pragma once

#include <functional>

namespace reverse {

/// Runs `body` in a thread in which the system call `number` (SYS_fsync) fails with errno value
/// `code` without doing anything, and throws what `body` throws. `body` must hold no Catch
/// assertion. False, without running it, where the system has no seccomp filters.
bool with_failing_syscall(long number, int code, const std::function<void()>& body);

}  // namespace reverse
