#include "libcore/base/error.h"

#include <catch2/catch.hpp>
#include <cerrno>

namespace reverse {

TEST_CASE("an errno becomes a message with act and cause, and a kind", "[error]") {
  try {
    throw_errno(EACCES, "open '/a/b'");
  } catch (const Error& error) {
    CHECK(std::string(error.what()) == "open '/a/b': Permission denied");
    CHECK(error.kind() == ErrorKind::permission);
  }
}

TEST_CASE("errnos map to the kinds that callers decide by", "[error]") {
  CHECK(kind_of_errno(ENOENT) == ErrorKind::not_found);
  CHECK(kind_of_errno(ENOTDIR) == ErrorKind::not_found);
  CHECK(kind_of_errno(EEXIST) == ErrorKind::exists);
  CHECK(kind_of_errno(EROFS) == ErrorKind::permission);
  CHECK(kind_of_errno(ENOSPC) == ErrorKind::no_space);
  CHECK(kind_of_errno(EDQUOT) == ErrorKind::no_space);
  CHECK(kind_of_errno(EOPNOTSUPP) == ErrorKind::unsupported);
  CHECK(kind_of_errno(EIO) == ErrorKind::io);
}

TEST_CASE("a cause that nobody can name is never taken for absence", "[error]") {
  for (int code = 1; code < 134; ++code)
    if (code != ENOENT && code != ENOTDIR) CHECK(kind_of_errno(code) != ErrorKind::not_found);
}

TEST_CASE("contexts are put before the message, outermost first", "[error]") {
  const auto broken = [] { fail(ErrorKind::corrupt, "object {} has {} bytes", "ab", 3); };
  const auto inner = [&] { with_context("read page", broken); };
  CHECK_THROWS_WITH(with_context("restore", inner), "restore: read page: object ab has 3 bytes");
}

TEST_CASE("a context passes results through and leaves a stop alone", "[error]") {
  CHECK(with_context("sum", [] { return 5; }) == 5);
  CHECK_THROWS_WITH(with_context("wait", []() -> int { throw Cancelled(); }), "cancelled");
}

TEST_CASE("only what may pass by itself is tried again", "[error]") {
  CHECK(Error(ErrorKind::network, "").retryable());
  CHECK(Error(ErrorKind::busy, "").retryable());
  CHECK_FALSE(Error(ErrorKind::corrupt, "").retryable());
  CHECK_FALSE(Error(ErrorKind::io, "").retryable());
}

}  // namespace reverse
