#define CATCH_CONFIG_RUNNER
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "libcore/base/error.h"
#include "libcore/base/temp_dir.h"
#include "tests/support/fixtures.h"
#include "tests/support/stride.h"

// A run has two roles: tests without the tag [root] run as a user without rights, since root passes
// every permission check and would hide what those guard; tests with the tag run as root. Started
// by root, the program plays both, one after the other; started by a user, it skips the second.
//
// `--part K/N` keeps every N-th of the asked tests, beginning with the K-th: so N runs beside one
// another share out all of them, whichever those are.
//
// REVERSE_TEST_STRIDE thins out what is tried at every moment (stride.h), and is told.

namespace reverse {
namespace {

constexpr uid_t kNobody = 65534;  // user and group without rights, on every Linux

/// What `--part` asks for.
struct Share {
  std::size_t part = 1, parts = 1;
};

/// Reads "K/N"; nothing where that is no part.
std::optional<Share> parse_share(const std::string& text) {
  Share share;
  int end = 0;
  const int read = std::sscanf(text.c_str(), "%zu/%zu%n", &share.part, &share.parts, &end);
  if (read != 2 || static_cast<std::size_t>(end) != text.size()) return std::nullopt;
  if (share.part < 1 || share.part > share.parts) return std::nullopt;
  return share;
}

/// The asked tests that one role runs.
struct RoleTests {
  std::vector<std::string> names;
  std::string filter;  ///< picks exactly `names`
};

struct Roles {
  RoleTests user;
  RoleTests root;
};

/// A filter that picks exactly these tests.
std::string filter_of(const std::vector<std::string>& names) {
  std::string filter;
  for (const std::string& name : names) {
    if (!filter.empty()) filter += ',';
    for (const char c : name) {
      if (std::string_view("\\,\"[]*~").find(c) != std::string_view::npos) filter += '\\';
      filter += c;
    }
  }
  return filter;
}

/// Of the tests that the command line names, and of its share of them, what each role runs.
Roles roles_of(Catch::Session& session, const Share& share) {
  const Catch::Config& config = session.config();
  const auto& all = Catch::getAllTestCasesSorted(config);
  Roles roles;
  std::size_t number = 0;
  for (const Catch::TestCase& test : Catch::filterTests(all, config.testSpec(), config)) {
    if (number++ % share.parts != share.part - 1) continue;
    const bool root = std::count(test.tags.begin(), test.tags.end(), "root") > 0;
    (root ? roles.root : roles.user).names.push_back(test.name);
  }
  // Catch prints the filter: a short one where all tests were asked for.
  const bool all_asked = share.parts == 1 && session.configData().testsOrTags.empty();
  roles.user.filter = all_asked ? "~[root]~[.]" : filter_of(roles.user.names);
  roles.root.filter = all_asked ? "[root]~[.]" : filter_of(roles.root.names);
  return roles;
}

/// Runs these tests in this process; none is no failure.
int run_tests(Catch::Session& session, const RoleTests& tests) {
  if (tests.names.empty()) return 0;
  Catch::ConfigData data = session.configData();
  data.testsOrTags = {tests.filter};
  session.useConfigData(data);
  return session.run();
}

/// No test reads or writes what belongs to whoever runs it.
void set_environment(const std::string& directory) {
  ::setenv("HOME", directory.c_str(), 1);
  ::setenv("TMPDIR", directory.c_str(), 1);
  for (const char* name :
       {"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"})
    ::unsetenv(name);
  ::umask(022);
}

void become_nobody(const std::string& directory) {
  if (::chown(directory.c_str(), kNobody, kNobody) != 0) throw_errno(errno, "chown");
  if (::setgroups(0, nullptr) != 0) throw_errno(errno, "setgroups");
  if (::setresgid(kNobody, kNobody, kNobody) != 0) throw_errno(errno, "setresgid");
  if (::setresuid(kNobody, kNobody, kNobody) != 0) throw_errno(errno, "setresuid");
  // Undone by the change of user: without the first, /proc/self would belong to root.
  ::prctl(PR_SET_DUMPABLE, 1);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::chdir(directory.c_str()) != 0) throw_errno(errno, "chdir");
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) throw_errno(errno, "waitpid");
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  std::fprintf(stderr, "the unprivileged tests died of signal %d\n", WTERMSIG(status));
  return 128 + WTERMSIG(status);
}

/// Under AddressSanitizer leaks show at a program's usual end, which `_exit` is not.
void tell_leaks() {
#ifdef __SANITIZE_ADDRESS__
  __lsan_do_leak_check();
#endif
}

/// Runs these tests in a process that has given up all rights.
int run_as_nobody(Catch::Session& session, const RoleTests& tests) {
  if (tests.names.empty()) return 0;
  const TempDir home;
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw_errno(errno, "fork");
  if (child > 0) return wait_for(child);
  int result = 1;
  try {
    become_nobody(home.path());
    set_environment(home.path());
    result = run_tests(session, tests);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  std::fflush(nullptr);
  tell_leaks();
  ::_exit(result);  // the parent removes `home`
}

int run_as_root(Catch::Session& session, const RoleTests& tests) {
  Catch::ConfigData& data = session.configData();
  if (!data.outputFilename.empty()) data.outputFilename += ".root";  // the other role's is kept
  const TempDir home;
  set_environment(home.path());
  return run_tests(session, tests);
}

int run_both_roles(Catch::Session& session, const Roles& roles) {
  ::unsetenv("TMPDIR");  // root's own may be closed to others; /tmp is not
  const TempDir shared;
  share_fixtures(shared.path());
  const int as_user = run_as_nobody(session, roles.user);
  const int as_root = run_as_root(session, roles.root);
  return std::max(as_user, as_root);
}

int run_user_role(Catch::Session& session, const Roles& roles) {
  const TempDir home;
  set_environment(home.path());
  const int result = run_tests(session, roles.user);
  if (const std::size_t skipped = roles.root.names.size(); skipped > 0)
    std::fprintf(stderr, "SKIPPED: %zu tests that need root\n", skipped);
  return result;
}

/// Shows what the command line asks for, of tests those of both roles.
int show(Catch::Session& session, const Roles& roles) {
  RoleTests both = roles.user;
  both.names.insert(both.names.end(), roles.root.names.begin(), roles.root.names.end());
  both.filter = filter_of(both.names);
  return both.names.empty() ? session.run() : run_tests(session, both);
}

int run(Catch::Session& session, const Share& share) {
  const Catch::ConfigData& asked = session.configData();
  const bool shows = asked.showHelp || asked.libIdentify || asked.listTests || asked.listTags ||
                     asked.listTestNamesOnly || asked.listReporters;
  const Roles roles = roles_of(session, share);
  if (shows || (roles.user.names.empty() && roles.root.names.empty())) return show(session, roles);
  if (const std::size_t every = Stride::every(); every > 1)
    std::fprintf(stderr,
                 "REVERSE_TEST_STRIDE=%zu: what is tried at every moment is tried at one in %zu\n",
                 every, every);
  return ::geteuid() == 0 ? run_both_roles(session, roles) : run_user_role(session, roles);
}

}  // namespace
}  // namespace reverse

int main(int argc, char** argv) {
  using namespace Catch::clara;
  Catch::Session session;
  reverse::Share share;
  const auto read_share = [&](const std::string& text) {
    const std::optional<reverse::Share> read = reverse::parse_share(text);
    if (!read) return ParserResult::runtimeError("'" + text + "' is no part, as 2/3 is");
    share = *read;
    return ParserResult::ok(ParseResultType::Matched);
  };
  session.cli(session.cli() | Opt(read_share, "K/N")["--part"]("every N-th of them, from the K-th"));
  if (const int result = session.applyCommandLine(argc, argv); result != 0) return result;
  try {
    return reverse::run(session, share);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
