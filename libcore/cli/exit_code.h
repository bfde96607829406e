#pragma once

#include <span>
#include <string_view>

#include "libcore/base/error.h"

namespace reverse {

/// What a tool returns. Frozen: scripts, cron and systemd units depend on the numbers.
enum class ExitCode : int {
  ok = 0,
  failed = 1,
  usage = 2,
  incomplete = 3,
  damage = 4,
  refused = 5,
  no_repository = 10,
  temporary = 75,  ///< EX_TEMPFAIL of sysexits.h
};

struct ExitCodeDoc {
  ExitCode code;
  std::string_view meaning;
};

/// Every code in numerical order with its meaning: what `--help` prints.
std::span<const ExitCodeDoc> exit_code_docs();

/// The code of a tool that an error of this kind ended.
ExitCode exit_code_for(ErrorKind kind);

/// The code that decides where one call did several things: 4, 1, 2, 5, 10, 75, 3, 0 in this order.
ExitCode gravest(ExitCode a, ExitCode b);

}  // namespace reverse
