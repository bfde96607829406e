#include "libcore/backend/local_rename.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>

#include "libcore/base/error.h"
#include "tests/support/failing_syscall.h"
#include "tests/support/skip.h"
#include "tests/support/temp_tree.h"

namespace reverse {
namespace {

/// The ways to rename: at once, by link, by looking first, and the first that works where the
/// file system refuses RENAME_NOREPLACE.
struct Way {
  const char* name;
  MoveResult (*rename)(const std::string& from, const std::string& to);
};

MoveResult without_noreplace(const std::string& from, const std::string& to) {
  MoveResult result = MoveResult::gone;
  auto rename = [&] { result = rename_without_replacing(from, to); };
  if (!with_failing_syscall(SYS_renameat2, EINVAL, rename)) {
    skip_loudly("no seccomp filters");
    rename();
  }
  return result;
}

Way any_way() {
  return GENERATE(
      Way{"at once", rename_without_replacing},
      Way{"by link",
          [](const std::string& a, const std::string& b) { return *move_by_link(a, b); }},
      Way{"by check", move_by_check}, Way{"without RENAME_NOREPLACE", without_noreplace});
}

TEST_CASE("a file is renamed where the name is free", "[backend]") {
  Way way = any_way();
  TempTree tree;
  tree.write("from", "bytes");
  CAPTURE(way.name);
  CHECK(way.rename(tree / "from", tree / "to") == MoveResult::done);
  CHECK(tree.read("to") == "bytes");
  CHECK_FALSE(tree.exists("from"));
}

TEST_CASE("a rename replaces nothing, not even a broken link", "[backend]") {
  Way way = any_way();
  TempTree tree;
  tree.write("from", "new");
  tree.write("to", "old");
  tree.symlink("nowhere", "link");
  CAPTURE(way.name);
  CHECK(way.rename(tree / "from", tree / "to") == MoveResult::exists);
  CHECK(way.rename(tree / "from", tree / "link") == MoveResult::exists);
  CHECK(tree.read("to") == "old");
  CHECK(tree.read("from") == "new");
}

TEST_CASE("a rename from or into what is not there says gone", "[backend]") {
  Way way = any_way();
  TempTree tree;
  tree.write("from", "bytes");
  CAPTURE(way.name);
  CHECK(way.rename(tree / "absent", tree / "to") == MoveResult::gone);
  CHECK(way.rename(tree / "from", tree / "absent/to") == MoveResult::gone);
  CHECK(tree.read("from") == "bytes");
}

TEST_CASE("a link that was made before its answer was lost is no stranger", "[backend]") {
  TempTree tree;
  tree.write("from", "bytes");
  tree.hardlink("from", "to");
  CHECK(move_by_link(tree / "from", tree / "to") == MoveResult::done);
  CHECK_FALSE(tree.exists("from"));
  CHECK(tree.read("to") == "bytes");
}

TEST_CASE("directories are renamed even without RENAME_NOREPLACE", "[backend]") {
  TempTree tree;
  tree.write("from/file", "bytes");
  tree.write("full/file", "other");
  CHECK(without_noreplace(tree / "from", tree / "full") == MoveResult::exists);
  CHECK(without_noreplace(tree / "from", tree / "to") == MoveResult::done);
  CHECK(tree.read("to/file") == "bytes");
}

TEST_CASE("a file that cannot be linked is renamed after a look", "[backend]") {
  TempTree tree;
  tree.write("from", "bytes");
  std::optional<MoveResult> result;
  auto link = [&] { result = move_by_link(tree / "from", tree / "to"); };
  if (!with_failing_syscall(SYS_link, EPERM, link)) SKIP_LOUDLY("no seccomp filters");
  CHECK_FALSE(result);
  CHECK(tree.exists("from"));
}

TEST_CASE("a failed rename names both places", "[backend]") {
  TempTree tree;
  tree.write("from", "bytes");
  std::string message;
  try {
    with_failing_syscall(SYS_renameat2, EXDEV,
                         [&] { rename_without_replacing(tree / "from", tree / "to"); });
  } catch (const Error& error) {
    message = error.what();
  }
  if (!message.empty())
    CHECK(message.starts_with("rename '" + tree / "from" + "' to '" + tree / "to" + "': "));
  CHECK(tree.exists("from"));
}

}  // namespace
}  // namespace reverse
