#include "libcore/cli/exit_code.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

using namespace reverse;

TEST_CASE("exit codes are the numbers that scripts depend on", "[cli]") {
  std::vector<int> codes;
  for (const ExitCodeDoc& doc : exit_code_docs()) codes.push_back(int(doc.code));
  CHECK(codes == std::vector<int>{0, 1, 2, 3, 4, 5, 10, 75});
}

TEST_CASE("a guard, damage, a missing repository and a busy set each have a code of their own",
          "[cli]") {
  CHECK(exit_code_for(ErrorKind::usage) == ExitCode::usage);
  CHECK(exit_code_for(ErrorKind::corrupt) == ExitCode::damage);
  CHECK(exit_code_for(ErrorKind::refused) == ExitCode::refused);
  CHECK(exit_code_for(ErrorKind::no_repository) == ExitCode::no_repository);
  CHECK(exit_code_for(ErrorKind::busy) == ExitCode::temporary);
  CHECK(exit_code_for(ErrorKind::network) == ExitCode::temporary);
  CHECK(exit_code_for(ErrorKind::no_space) == ExitCode::failed);
  CHECK(exit_code_for(ErrorKind::permission) == ExitCode::failed);
}

TEST_CASE("of several sources the gravest code decides, whatever their order", "[cli]") {
  const std::vector<int> by_gravity{4, 1, 2, 5, 10, 75, 3, 0};
  for (std::size_t i = 0; i < by_gravity.size(); ++i) {
    for (std::size_t j = i; j < by_gravity.size(); ++j) {
      const auto grave = ExitCode(by_gravity[i]);
      const auto mild = ExitCode(by_gravity[j]);
      CHECK(gravest(grave, mild) == grave);
      CHECK(gravest(mild, grave) == grave);
    }
  }
}
