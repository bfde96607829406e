#include "tests/support/backends/fault_backend.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "tests/backend/conformance.h"
#include "tests/support/stride.h"

namespace reverse {
namespace {

/// Publishes ten files, "0" to "9", in two batches below a directory of its own.
void write_ten_files(Backend& backend) {
  backend.make_directory("tmp");
  backend.make_directory("objects");
  for (int batch = 0; batch < 2; ++batch) {
    std::vector<std::unique_ptr<Upload>> uploads;
    std::vector<Publication> publications;
    for (int i = 5 * batch; i < 5 * batch + 5; ++i) {
      std::string name = std::to_string(i);
      uploads.push_back(upload(backend, "tmp/" + name, name));
      publications.push_back({uploads.back().get(), "objects/" + name});
    }
    backend.publish(publications);
  }
  backend.barrier({});
}

/// In what `write_ten_files` left, names are those of the first files and stand for whole files.
void check_prefix(Backend& backend) {
  if (!backend.stat("objects")) return;
  auto found = names(backend, "objects");
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i] == std::to_string(i));
    CHECK(content(backend, "objects/" + found[i]) == found[i]);
  }
}

TEST_CASE("a process killed at any call leaves whole files only", "[backend]") {
  std::uint64_t calls = 0;
  {
    TempDir root;
    FaultBackend counting(open_local_backend(root.path()));
    write_ten_files(counting);
    calls = counting.calls();
    CHECK(counting.calls("create") == 10);
    CHECK(counting.calls("publish") == 10);
    CHECK(counting.calls("barrier") == 1);
  }
  Stride stride;
  for (std::uint64_t n = 1; n <= calls; ++n) {
    if (stride.skips()) continue;
    TempDir root;
    pid_t child = ::fork();
    if (child == 0) {
      FaultBackend dying(open_local_backend(root.path()));
      dying.set_hook(kill_at(n));
      write_ten_files(dying);
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGKILL);
    check_prefix(*open_local_backend(root.path()));
  }
}

TEST_CASE("a crash leaves the temporaries, and every later call fails", "[backend]") {
  auto storage = std::make_shared<MemoryStorage>();
  MemoryBackend observer(storage);
  observer.make_directory("");
  FaultBackend crashing(std::make_unique<MemoryBackend>(storage));
  crashing.crash_at(2 + 3 * 5 + 3);  // directories; create, write, close of five; the third name
  CHECK_THROWS_AS(write_ten_files(crashing), Crash);
  CHECK_THROWS_AS(crashing.stat(""), Crash);
  CHECK(names(observer, "objects") == std::vector<std::string>{"0", "1"});
  CHECK(names(observer, "tmp") == std::vector<std::string>{"2", "3", "4"});
}

TEST_CASE("a queued fault hits the call it was queued for, once", "[backend]") {
  FaultBackend backend(std::make_unique<MemoryBackend>());
  backend.make_directory("");
  backend.queue_fault("write", ErrorKind::no_space, 2);
  auto temporary = backend.create("part", 0444);
  temporary->write("one");
  CHECK(error_kind([&] { temporary->write("two"); }) == ErrorKind::no_space);
  CHECK_NOTHROW(temporary->write("two"));
}

}  // namespace
}  // namespace reverse
