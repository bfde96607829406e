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
#include <string>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "libcore/base/error.h"
#include "libcore/base/temp_dir.h"
#include "tests/support/fixtures.h"

// A run has two roles: tests without the tag [root] run as a user without rights, since root passes
// every permission check and would hide what those guard; tests with the tag run as root. Started
// by root, the program plays both, one after the other; started by a user, it skips the second.

namespace reverse {
namespace {

constexpr uid_t kNobody = 65534;  // user and group without rights, on every Linux

/// The part of the asked tests that one role runs.
struct Part {
  std::vector<std::string> names;
  std::string filter;  ///< picks exactly `names`
};

struct Roles {
  Part user;
  Part root;
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

Roles roles_of(Catch::Session& session) {
  const Catch::Config& config = session.config();
  const auto& all = Catch::getAllTestCasesSorted(config);
  Roles roles;
  for (const Catch::TestCase& test : Catch::filterTests(all, config.testSpec(), config)) {
    const bool root = std::count(test.tags.begin(), test.tags.end(), "root") > 0;
    (root ? roles.root : roles.user).names.push_back(test.name);
  }
  // Catch prints the filter: a short one where all tests were asked for.
  const bool all_asked = session.configData().testsOrTags.empty();
  roles.user.filter = all_asked ? "~[root]~[.]" : filter_of(roles.user.names);
  roles.root.filter = all_asked ? "[root]~[.]" : filter_of(roles.root.names);
  return roles;
}

/// Runs these tests in this process; none is no failure.
int run_tests(Catch::Session& session, const Part& part) {
  if (part.names.empty()) return 0;
  Catch::ConfigData data = session.configData();
  data.testsOrTags = {part.filter};
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
int run_as_nobody(Catch::Session& session, const Part& part) {
  if (part.names.empty()) return 0;
  const TempDir home;
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw_errno(errno, "fork");
  if (child > 0) return wait_for(child);
  int result = 1;
  try {
    become_nobody(home.path());
    set_environment(home.path());
    result = run_tests(session, part);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  std::fflush(nullptr);
  tell_leaks();
  ::_exit(result);  // the parent removes `home`
}

int run_as_root(Catch::Session& session, const Part& part) {
  Catch::ConfigData& data = session.configData();
  if (!data.outputFilename.empty()) data.outputFilename += ".root";  // the other role's is kept
  const TempDir home;
  set_environment(home.path());
  return run_tests(session, part);
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

int run(Catch::Session& session) {
  const Catch::ConfigData& asked = session.configData();
  const bool shows = asked.showHelp || asked.libIdentify || asked.listTests || asked.listTags ||
                     asked.listTestNamesOnly || asked.listReporters;
  const Roles roles = shows ? Roles{} : roles_of(session);
  if (roles.user.names.empty() && roles.root.names.empty()) return session.run();
  return ::geteuid() == 0 ? run_both_roles(session, roles) : run_user_role(session, roles);
}

}  // namespace
}  // namespace reverse

int main(int argc, char** argv) {
  Catch::Session session;
  if (const int result = session.applyCommandLine(argc, argv); result != 0) return result;
  try {
    return reverse::run(session);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
