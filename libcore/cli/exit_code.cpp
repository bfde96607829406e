#include "libcore/cli/exit_code.h"

#include <algorithm>
#include <array>

namespace reverse {
namespace {

constexpr std::array kDocs{
    ExitCodeDoc{ExitCode::ok, "done"},
    ExitCodeDoc{ExitCode::failed, "failed; no revision was published (a checkpoint may stand)"},
    ExitCodeDoc{ExitCode::usage, "usage: unknown option or word, ambiguous revision, bad value"},
    ExitCodeDoc{ExitCode::incomplete, "done, but not all of it: unreadable items, files kept"},
    ExitCodeDoc{ExitCode::damage, "damage found in the repository"},
    ExitCodeDoc{ExitCode::refused, "refused by a guard; the message names the override"},
    ExitCodeDoc{ExitCode::no_repository, "no repository there, or one of a newer format"},
    ExitCodeDoc{ExitCode::temporary, "temporary trouble: running it again later helps"},
};

constexpr std::array kByGravity{
    ExitCode::damage,        ExitCode::failed,    ExitCode::usage,      ExitCode::refused,
    ExitCode::no_repository, ExitCode::temporary, ExitCode::incomplete, ExitCode::ok};

}  // namespace

std::span<const ExitCodeDoc> exit_code_docs() {
  return kDocs;
}

ExitCode exit_code_for(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return ExitCode::usage;
    case ErrorKind::network:
    case ErrorKind::busy:
      return ExitCode::temporary;
    case ErrorKind::corrupt:
      return ExitCode::damage;
    case ErrorKind::refused:
      return ExitCode::refused;
    case ErrorKind::no_repository:
      return ExitCode::no_repository;
    case ErrorKind::not_found:
    case ErrorKind::exists:
    case ErrorKind::permission:
    case ErrorKind::io:
    case ErrorKind::no_space:
    case ErrorKind::changed:
    case ErrorKind::unsupported:
    case ErrorKind::internal:
      break;
  }
  return ExitCode::failed;
}

ExitCode gravest(ExitCode a, ExitCode b) {
  return *std::find_if(kByGravity.begin(), kByGravity.end(),
                       [&](ExitCode code) { return code == a || code == b; });
}

}  // namespace reverse
