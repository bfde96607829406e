#include "libcore/base/fd.h"

#include <fcntl.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <thread>

#include "libcore/base/error.h"
#include "libcore/base/temp_dir.h"

namespace reverse {
namespace {

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

}  // namespace

TEST_CASE("a descriptor is closed with its owner, or when it is replaced", "[fd]") {
  int first = -1;
  int second = -1;
  {
    UniqueFd fd = open_file("/dev/null", O_RDONLY);
    first = fd.get();
    fd = open_file("/dev/zero", O_RDONLY);
    second = fd.get();
    CHECK_FALSE(is_open(first));
    const UniqueFd moved = std::move(fd);
    CHECK_FALSE(fd);
    CHECK(is_open(second));
  }
  CHECK_FALSE(is_open(second));
}

TEST_CASE("opened files are not inherited by programs that are started", "[fd]") {
  const UniqueFd fd = open_file("/dev/null", O_RDONLY);
  CHECK((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("a file comes back as it was written", "[fd]") {
  const TempDir dir;
  const std::string bytes = std::string(50'000, 'x') + std::string(1, '\0') + "end";
  write_file(dir / "file", bytes);
  CHECK(read_file(dir / "file") == bytes);
  write_file(dir / "file", "short");
  CHECK(read_file(dir / "file") == "short");
}

TEST_CASE("a file of more bytes than allowed is refused", "[fd]") {
  const TempDir dir;
  write_file(dir / "file", std::string(101, 'x'));
  CHECK(read_file(dir / "file", 101).size() == 101);
  CHECK_THROWS_AS(read_file(dir / "file", 100), Error);
}

TEST_CASE("a missing or closed file is named with the cause", "[fd]") {
  const TempDir dir;
  CHECK_THROWS_WITH(read_file(dir / "none"),
                    "open '" + dir / "none" + "': No such file or directory");
  write_file(dir / "shut", "secret", 0);
  CHECK_THROWS_WITH(read_file(dir / "shut"), "open '" + dir / "shut" + "': Permission denied");
}

TEST_CASE("reading and writing go on after short transfers", "[fd]") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  const std::string sent(300'000, 'y');  // more than a pipe holds
  std::string received(sent.size() + 10, '\0');
  std::size_t got = 0;
  std::jthread reader(
      [&] { got = read_full(from.get(), received.data(), received.size(), "pipe"); });
  write_full(to.get(), sent, "pipe");
  to.reset();
  reader.join();
  CHECK(got == sent.size());
  CHECK(received.substr(0, got) == sent);
}

}  // namespace reverse
