#include "tests/support/failing_syscall.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <cstddef>
#include <exception>
#include <thread>

namespace reverse {

namespace {

// A filter binds the thread that installs it, and dies with it.
bool install_filter(long number, int code) {
  const auto call = static_cast<std::uint32_t>(number);
  const auto result = SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(code);
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, result),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog filter = {.len = sizeof program / sizeof program[0], .filter = program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace

bool with_failing_syscall(long number, int code, const std::function<void()>& body) {
  bool installed = false;
  std::exception_ptr thrown;
  std::thread([&] {
    installed = install_filter(number, code);
    try {
      if (installed) body();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
  return installed;
}

}  // namespace reverse
