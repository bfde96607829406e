#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>

#include "libcore/base/fd.h"
#include "tests/backend/conformance.h"
#include "tests/support/failing_syscall.h"
#include "tests/support/skip.h"

namespace reverse {
namespace {

using Catch::Matchers::Contains;

struct stat stat_of(const std::string& path) {
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0) throw_errno(errno, path);
  return info;
}

unsigned mode_of(const std::string& path) {
  return stat_of(path).st_mode & 07777;
}

/// Sets the process' umask for a scope.
class Umask {
 public:
  explicit Umask(mode_t mask) : before_(::umask(mask)) {}
  ~Umask() { ::umask(before_); }
  Umask(const Umask&) = delete;
  Umask& operator=(const Umask&) = delete;

 private:
  mode_t before_;
};

/// What `body` throws; "" if nothing.
template <typename Body>
std::string message_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("modes do not depend on the umask", "[backend]") {
  mode_t mask = GENERATE(0000, 0022, 0077, 0777);
  TempDir above;
  Umask scope(mask);
  auto backend = open_local_backend(above / "root");
  CHECK(backend->make_directory(""));
  CHECK(backend->make_directory("d"));
  put(*backend, "d/object", "x");
  put(*backend, "d/object2", "y");
  auto own = backend->create("d/private", 0600);
  auto own2 = backend->create("d/private2", 0600);
  CHECK(mode_of(above / "root") == 0700);
  CHECK(mode_of(above / "root/d") == 0700);
  for (const char* name : {"object", "object2"})
    CHECK(mode_of(above / (std::string("root/d/") + name)) == 0444);
  for (const char* name : {"private", "private2"})
    CHECK(mode_of(above / (std::string("root/d/") + name)) == 0600);
}

TEST_CASE("a root that is there keeps its mode and passes it on", "[backend]") {
  struct Case {
    unsigned root, file;
  };
  auto [root_mode, file_mode] = GENERATE(Case{02770, 0440}, Case{0750, 0440}, Case{0700, 0444},
                                         Case{02775, 0444}, Case{0755, 0444}, Case{01777, 0444});
  TempDir root;
  REQUIRE(::chmod(root.path().c_str(), root_mode) == 0);
  Umask scope(0077);
  auto backend = open_local_backend(root.path());
  CHECK_FALSE(backend->make_directory(""));
  backend->make_directory("d");
  put(*backend, "d/object", "x");
  CHECK(mode_of(root.path()) == root_mode);
  CHECK(mode_of(root / "d") == (root_mode & 02777));
  CHECK(mode_of(root / "d/object") == file_mode);
}

TEST_CASE("what a shared root holds belongs to its group", "[backend][root]") {
  constexpr gid_t kGroup = 4711;
  TempDir root;
  REQUIRE(::chown(root.path().c_str(), 0, kGroup) == 0);
  REQUIRE(::chmod(root.path().c_str(), 02770) == 0);
  auto backend = open_local_backend(root.path());
  backend->make_directory("d");
  put(*backend, "d/object", "x");
  CHECK(stat_of(root / "d").st_gid == kGroup);
  CHECK(stat_of(root / "d/object").st_gid == kGroup);
}

TEST_CASE("holes take no space", "[backend]") {
  Subject subject = local_subject();
  auto temporary = subject.backend->create("sparse", 0444);
  for (int i = 0; i < 64; ++i) temporary->write(zero_block());
  temporary->write("data");
  temporary->close();
  struct stat info = stat_of(*subject.root / "sparse");
  CHECK(info.st_size == (64 << 20) + 4);
  CHECK(info.st_blocks * 512 < 1 << 20);
}

TEST_CASE("what may not be looked at is never absent", "[backend]") {
  Subject subject = local_subject();
  Backend& backend = *subject.backend;
  backend.make_directory("closed");
  put(backend, "closed/object", "x");
  put(backend, "unreadable", "x");
  REQUIRE(::chmod((*subject.root / "closed").c_str(), 0) == 0);
  REQUIRE(::chmod((*subject.root / "unreadable").c_str(), 0) == 0);
  auto refused = [](auto body) { CHECK(error_kind(body) == ErrorKind::permission); };
  refused([&] { backend.stat("closed/object"); });
  refused([&] { names(backend, "closed"); });
  refused([&] { content(backend, "closed/object"); });
  refused([&] { content(backend, "unreadable"); });
  refused([&] { backend.create("closed/new", 0444); });
  refused([&] { backend.make_directory("closed/new"); });
  refused([&] { backend.remove("closed/object"); });
  refused([&] { backend.move("closed/object", "new"); });
  auto temporary = upload(backend, "part", "x");
  refused([&] { publish(backend, *temporary, "closed/object"); });
  REQUIRE(::chmod((*subject.root / "closed").c_str(), 0400) ==
          0);  // names, but nothing behind them
  refused([&] { names(backend, "closed"); });
  REQUIRE(::chmod((*subject.root / "closed").c_str(), 0700) == 0);
}

TEST_CASE("a listing that breaks off is an error", "[backend]") {
  Subject subject = local_subject();
  put(*subject.backend, "file", "x");
  int code = GENERATE(EIO, ESTALE);
  auto list = [&] { names(*subject.backend, ""); };
  bool ran = true;
  std::string message = message_of([&] { ran = with_failing_syscall(SYS_getdents64, code, list); });
  if (!ran) SKIP_LOUDLY("no seccomp filters");
  CHECK_THAT(message, Contains("list '" + subject.root->path() + "'"));
}

TEST_CASE("no symlink below the root is followed", "[backend]") {
  TempDir outside;
  write_file(outside / "secret", "x");
  Subject subject = local_subject();
  REQUIRE(::symlink((outside / "secret").c_str(), (*subject.root / "file").c_str()) == 0);
  REQUIRE(::symlink(outside.path().c_str(), (*subject.root / "directory").c_str()) == 0);
  Backend& backend = *subject.backend;
  CHECK(backend.stat("file")->type == FileType::symlink);
  CHECK(error_kind([&] { content(backend, "file"); }) == ErrorKind::io);
  CHECK(error_kind([&] { names(backend, "directory"); }) == ErrorKind::io);
  CHECK(error_kind([&] { backend.create("file", 0444); }) == ErrorKind::exists);
}

TEST_CASE("the root itself may be a symlink, and end in slashes", "[backend]") {
  TempDir place;
  REQUIRE(::mkdir((place / "real").c_str(), 0755) == 0);
  REQUIRE(::symlink("real", (place / "link").c_str()) == 0);
  auto backend = open_local_backend(place / "link//");
  put(*backend, "file", "x");
  CHECK(backend->stat("")->type == FileType::directory);
  CHECK(names(*backend, "") == std::vector<std::string>{"file"});
  CHECK(backend->display("") == "'" + place / "link" + "'");
  CHECK(read_file(place / "real/file") == "x");
}

TEST_CASE("an absent root is told from an empty one", "[backend]") {
  TempDir above;
  auto backend = open_local_backend(above / "root");
  CHECK_FALSE(backend->stat(""));
  CHECK(error_kind([&] { names(*backend, ""); }) == ErrorKind::not_found);
  CHECK(error_kind([&] { backend->create("file", 0444); }) == ErrorKind::not_found);
  CHECK(backend->make_directory(""));
  put(*backend, "file", "x");
  backend->barrier({});
  auto orphan = open_local_backend(above / "absent/root");
  CHECK(error_kind([&] { orphan->make_directory(""); }) == ErrorKind::not_found);
}

TEST_CASE("a fifo or a directory under an object's name is not read", "[backend]") {
  Subject subject = local_subject();
  REQUIRE(::mkfifo((*subject.root / "fifo").c_str(), 0600) == 0);
  CHECK(error_kind([&] { content(*subject.backend, "fifo"); }) == ErrorKind::io);
}

TEST_CASE("errors name the file and the operation", "[backend]") {
  Subject subject = local_subject();
  std::string message = message_of([&] { content(*subject.backend, "objects/ab\n"); });
  CHECK(message == "open '" + *subject.root / "objects/ab\\x0a" + "': No such file or directory");
}

TEST_CASE("what could not be made durable is not published, now or later", "[backend]") {
  Subject subject = local_subject();
  Backend& backend = *subject.backend;
  int files = GENERATE(1, 200);
  std::vector<std::unique_ptr<Upload>> uploads;
  std::vector<Publication> publications;
  for (int i = 0; i < files; ++i) {
    uploads.push_back(upload(backend, fmt::format("part{}", i), "x"));
    publications.push_back({uploads.back().get(), fmt::format("name{}", i)});
  }
  auto later = upload(backend, "later", "x");
  bool ran = true;
  auto attempt = [&] { backend.publish(publications); };
  CHECK(error_kind([&] {
          ran = with_failing_syscall(files == 1 ? SYS_fsync : SYS_syncfs, EIO, attempt);
        }) == ErrorKind::io);
  if (!ran) SKIP_LOUDLY("no seccomp filters");
  CHECK(error_kind(attempt) == ErrorKind::io);
  CHECK(error_kind([&] { publish(backend, *later, "name"); }) == ErrorKind::io);
  CHECK(error_kind([&] { backend.barrier(std::vector<RepoPath>{""}); }) == ErrorKind::io);
  uploads.clear();
  later.reset();
  CHECK(names(backend, "").empty());
}

TEST_CASE("a barrier that failed is not forgotten by the next", "[backend]") {
  Subject subject = local_subject();
  put(*subject.backend, "file", "x");
  bool ran = true;
  CHECK(error_kind([&] {
          ran = with_failing_syscall(SYS_fsync, EIO, [&] { subject.backend->barrier({}); });
        }) == ErrorKind::io);
  if (!ran) SKIP_LOUDLY("no seccomp filters");
  CHECK(error_kind([&] { subject.backend->barrier({}); }) == ErrorKind::io);
}

TEST_CASE("without durability nothing is synced", "[backend]") {
  TempDir root;
  auto backend = open_local_backend(root.path(), Durability::none);
  CHECK_FALSE(backend->traits().durable);
  auto work = [&] {
    put(*backend, "file", "x");
    backend->barrier(std::vector<RepoPath>{""});
  };
  CHECK_NOTHROW(with_failing_syscall(SYS_fsync, EIO, work));
}

TEST_CASE("durability file by file syncs at close", "[backend]") {
  TempDir root;
  auto backend = open_local_backend(root.path(), Durability::each);
  bool ran = true;
  CHECK(error_kind([&] {
          ran = with_failing_syscall(SYS_fsync, EIO, [&] { upload(*backend, "part", "x"); });
        }) == ErrorKind::io);
  if (!ran) SKIP_LOUDLY("no seccomp filters");
}

/// Runs `body` in a process with a tmpfs of `options` on `mount_point`, in a mount namespace of its
/// own. Returns what `body` returns; says "no mount" where the system refuses.
std::string on_tmpfs(const std::string& mount_point, const char* options,
                     const std::function<std::string()>& body) {
  int ends[2];
  if (::pipe(ends) != 0) throw_errno(errno, "pipe");
  UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  pid_t child = ::fork();
  if (child < 0) throw_errno(errno, "fork");
  if (child == 0) {
    bool mounted = ::unshare(CLONE_NEWNS) == 0 &&
                   ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                   ::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, options) == 0;
    std::string report = "no mount";
    try {
      if (mounted) report = body();
    } catch (const std::exception& error) {
      report = error.what();
    }
    write_full(to.get(), report, "pipe");
    ::_exit(0);
  }
  to.reset();
  std::string report(4096, '\0');
  report.resize(read_full(from.get(), report.data(), report.size(), "pipe"));
  ::waitpid(child, nullptr, 0);
  return report;
}

TEST_CASE("a full disk publishes nothing and is named", "[backend][root]") {
  TempDir mount_point;
  const char* options = GENERATE("size=256k", "nr_inodes=20");
  std::string report = on_tmpfs(mount_point.path(), options, [&] {
    auto backend = open_local_backend(mount_point / "repository");
    backend->make_directory("");
    std::vector<std::unique_ptr<Upload>> uploads;
    std::string message;
    ErrorKind kind = error_kind([&] {
      message = message_of([&] {
        for (int i = 0; i < 100; ++i)
          uploads.push_back(upload(*backend, fmt::format("part{}", i), std::string(8192, 'x')));
      });
      if (!message.empty()) fail(ErrorKind::no_space, "as expected");
    });
    uploads.clear();
    return fmt::format("{}\n{} left, {}\n", message, names(*backend, "").size(),
                       kind == ErrorKind::no_space ? "no space" : "other");
  });
  if (report == "no mount") SKIP_LOUDLY("no mount namespaces");
  CHECK_THAT(report, Contains("No space left on device (file system at '" + mount_point.path()));
  CHECK_THAT(report, Contains(mount_point / "repository/part"));
  CHECK_THAT(report, Contains("0 left, no space"));
  bool no_inodes = std::string_view(options).starts_with("nr_inodes");
  CHECK_THAT(report, Contains(no_inodes ? "no inodes free" : "0 B free"));
}

TEST_CASE("uploads that wait for their names hold none of their bytes", "[backend]") {
  TempDir above;
  auto backend = open_local_backend(above / "root");
  backend->make_directory("");
  std::vector<std::unique_ptr<Upload>> uploads;
  std::size_t before = ::mallinfo2().uordblks;
  for (int i = 0; i < 200; ++i)
    uploads.push_back(upload(*backend, fmt::format("part{}", i), std::string(10'000, 'x')));
  CHECK(::mallinfo2().uordblks - before < 200 * 2'000);
}

}  // namespace
}  // namespace reverse
