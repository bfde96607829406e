#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/backend/sftp/child_link.h"
#include "libcore/backend/sftp/sftp_backend.h"
#include "libcore/base/fd.h"
#include "tests/engine/gc_scene.h"
#include "tests/support/skip.h"

// gc by way of OpenSSH's sftp-server, whose listings may be cut short without an error (F10).

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

const std::string kServer = "/usr/lib/openssh/sftp-server";

/// A server's machine: what speaks SFTP there, and what runs commands; empty: it runs none.
struct Machine {
  Lines sftp = {kServer};
  Lines shell = {"sh", "-c"};
};

std::unique_ptr<Backend> connect(const Place& place, const Machine& machine = {}) {
  auto open_link = [machine] {
    return std::make_unique<sftp::ChildLink>(machine.sftp, machine.shell);
  };
  return sftp::open_sftp_backend(
      std::make_unique<sftp::Pool>("server", open_link, sftp::PoolOptions{}), place.path(),
      {.durability = Durability::none, .run_commands = !machine.shell.empty()});
}

/// A shell that hands what it is asked to run to `filter` first: a command that reads a script and
/// prints another.
Machine with_shell(const std::string& filter) {
  return {.shell = {"sh", "-c", filter + " | sh"}};
}

/// Something to expire, something to put back, something to delete.
struct Scene : Versions {
  Scene() {
    old = back_up(0);
    kept = back_up(1);
    forget(place, old);
    for (const char* content : {"shared 1", "version 1 file 1"})
      put_into_trash(place, std::string(32, 'a'), content);
  }
  std::string old, kept;
};

void check_same_plan(const GcReport& plan, const GcReport& run) {
  CHECK(plan.revisions == run.revisions);
  CHECK(plan.forgotten == run.forgotten);
  CHECK(plan.expired == run.expired);
  CHECK(plan.marked == run.marked);
  CHECK(plan.distinct_pages == run.distinct_pages);
  CHECK(plan.objects == run.objects);
  CHECK(plan.live_objects == run.live_objects);
  CHECK(plan.taken_out == run.taken_out);
  CHECK(plan.taken_out_bytes == run.taken_out_bytes);
  CHECK(plan.put_back == run.put_back);
  CHECK(plan.put_back_bytes == run.put_back_bytes);
  CHECK(plan.deleted == run.deleted);
  CHECK(plan.deleted_bytes == run.deleted_bytes);
  CHECK(plan.in_trash == run.in_trash);
  CHECK(plan.gate_closed == run.gate_closed);
}

/// What gc fails with.
std::string refusal(Backend& backend, const GcOptions& options) {
  try {
    collect(backend, options);
    return "";
  } catch (const Error& error) {
    CHECK((error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::io));
    return error.what();
  }
}

TEST_CASE("gc over SFTP does what its dry run says, with commands on the server and without") {
  Scene scene;
  Machine machine;
  if (GENERATE(true, false)) machine.shell.clear();
  GcOptions options = at_once();
  if (GENERATE(true, false)) {
    options = GcOptions();
    options.allow = {"mass-gc"};
    age(scene.place, 9 * 24);
  }
  const auto before = scene.place.files();
  options.dry_run = true;
  const GcReport plan = collect(*connect(scene.place, machine), options);
  CHECK(scene.place.files() == before);
  options.dry_run = false;
  const GcReport run = collect(*connect(scene.place, machine), options);
  check_same_plan(plan, run);
  CHECK(run.expired == Lines{scene.old});
  CHECK(run.put_back == 2);
  CHECK(run.taken_out > 0);
  scene.check_all_restore();
  collect(*connect(scene.place, machine), at_once());
  check_clean(scene.place);
  CHECK_FALSE(collect(*connect(scene.place, machine), at_once()).gate_closed);
}

/// A server that cannot read a directory on, from the `n`th request of that kind.
Machine failing_reads(int n, bool for_good) {
  const std::string inject =
      fmt::format("inject=getdents64:error=EIO:when={}{}", n, for_good ? "+" : "");
  return {.sftp = {"strace", "-qq", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e",
                   "trace=getdents64", "-e", inject, kServer}};
}

bool can_trace() {
  return std::system("strace -qq -o /dev/null true 2>/dev/null") == 0;
}

TEST_CASE("a server that cannot read a directory and does not say so costs no object (F10)") {
  if (!can_trace()) SKIP_LOUDLY("no process may be traced here, or strace is not installed");
  const Scene scene;
  const bool for_good = GENERATE(true, false);
  const bool commands = GENERATE(true, false);
  int stopped = 0;
  for (int n = 1; n <= 25; n += commands ? 7 : 1) {  // manifests, forgotten and trash come first
    CAPTURE(n, for_good, commands);
    Trial trial(scene);
    Machine machine = failing_reads(n, for_good);
    if (!commands) machine.shell.clear();
    stopped += refusal(*connect(trial.place, machine), at_once()) != "";
    CHECK(defects(trial.place) == Lines{});
    CHECK(heads_of(trial.place).back().revision() == scene.kept);
    collect(trial.place, at_once());
    check_clean(trial.place);
    trial.check_all_restore();
  }
  // Read for good as empty, a gate that is being closed cannot be emptied.
  if (commands && !for_good)
    CHECK(stopped == 0);
  else if (!commands && for_good)
    CHECK(stopped > 0);
}

TEST_CASE("a server that shows no revision at all is not believed, whatever is allowed (F10)") {
  Scene scene;
  Machine machine;
  machine.shell.clear();
  const std::string hidden = scene.place.path() + "/aside";
  fs::rename(scene.place.path() + "/manifests", hidden);
  fs::create_directory(scene.place.path() + "/manifests");
  const auto before = scene.place.files();
  CHECK_THAT(refusal(*connect(scene.place, machine), at_once()),
             Catch::Matchers::Contains("without a revision"));
  CHECK(scene.place.files() == before);
  fs::remove(scene.place.path() + "/manifests");
  fs::rename(hidden, scene.place.path() + "/manifests");
  CHECK(collect(*connect(scene.place, machine), at_once()).revisions == 1);
  scene.check_all_restore();
}

/// What is there but in tmp/, where it is tried what a server can do.
std::map<std::string, std::string> lasting_files(const Place& place) {
  std::map<std::string, std::string> files = place.files();
  std::erase_if(files, [](const auto& file) { return file.first.starts_with("tmp/"); });
  return files;
}

TEST_CASE("what find cannot read on the server stops gc with nothing moved (F10)") {
  Scene scene;
  std::string script, words;
  SECTION("an error at the end") {
    script = "sed 's/^\\(.*find \"$@\".*\\) || exit 2/\\1; false || { echo no luck >\\&2; exit 2; }/'";
    words = "no luck";
  }
  SECTION("cut short") {
    script = "sed 's/-printf .%y .*/-printf \"%y\" ; exit 0/'";
    words = "could not read everything";
  }
  const auto before = lasting_files(scene.place);
  const auto backend = connect(scene.place, with_shell(script));
  CHECK_THAT(refusal(*backend, at_once()), Catch::Matchers::Contains(words));
  CHECK(lasting_files(scene.place) == before);
}

TEST_CASE("commands that do not see the repository, or cannot list it, are not asked (F10)") {
  Scene scene;
  Machine machine;
  SECTION("another directory of that name") {
    // As where SFTP is confined to a part of the file system: a copy without the newest revision.
    const std::string other = scene.place.path() + ".other";
    fs::copy(scene.place.path(), other, fs::copy_options::recursive);
    fs::remove(other + "/manifests/" + scene.kept + ".yaml");
    machine = with_shell("sed 's,^cd .*,cd " + other + ",'");
  }
  SECTION("a find that cannot print what is asked for") {
    machine = with_shell("sed 's/find/find -unknown/'");
  }
  SECTION("no such command") { machine.shell = {"sh", "-c", "echo not found >&2; exit 127"}; }
  SECTION("an account for SFTP alone") {
    machine.shell = {"sh", "-c", "echo 'This service allows sftp connections only.'; exit 1"};
  }
  const GcReport report = collect(*connect(scene.place, machine), at_once());
  CHECK(report.revisions == 1);
  CHECK(report.expired == Lines{scene.old});
  scene.check_all_restore();
  check_clean(scene.place);
}

TEST_CASE("what a login prints does not disturb what find says") {
  Scene scene;
  const Machine machine{.shell = {"sh", "-c", "echo Welcome; printf 'x\\0'; sh"}};
  CHECK(collect(*connect(scene.place, machine), at_once()).revisions == 1);
  scene.check_all_restore();
  check_clean(scene.place);
}

TEST_CASE("a head that cannot be found and that no gc removed is no head that is gone (F10)") {
  Scene scene;
  const std::string head = scene.place.path() + "/manifests/" + scene.kept + ".yaml";
  const auto backend = scene.place.connect();
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call == "read" && head.ends_with(path)) fail(ErrorKind::not_found, "no such file");
  });
  const auto before = scene.place.files();
  CHECK_THAT(refusal(*backend, at_once()), Catch::Matchers::Contains("no such file"));
  CHECK(scene.place.files() == before);
}

TEST_CASE("a set that a dry run sees as empty without proof is told of") {
  Scene scene;
  Machine machine;
  machine.shell.clear();
  fs::create_directories(scene.place.path() + "/manifests/laptop/home");
  GcOptions options = at_once();
  options.dry_run = true;
  RecordingObserver observer;
  collect(*connect(scene.place, machine), options, &observer);
  REQUIRE(observer.warnings.size() == 1);
  CHECK_THAT(observer.warnings[0], Catch::Matchers::Contains("manifests/laptop/home"));
  CHECK(fs::exists(scene.place.path() + "/manifests/laptop/home"));
  options.dry_run = false;
  collect(*connect(scene.place, machine), options, &observer);
  CHECK(observer.warnings.size() == 1);
  CHECK_FALSE(fs::exists(scene.place.path() + "/manifests/laptop"));
}

}  // namespace
}  // namespace reverse
