#include "tests/support/backends/memory_backend.h"

#include <catch2/catch.hpp>

#include "tests/backend/conformance.h"

namespace reverse {
namespace {

using Names = std::vector<std::string>;

/// A storage with durable directories "tmp" and "objects", and two processes working on it.
struct TwoWriters {
  std::shared_ptr<MemoryStorage> storage = std::make_shared<MemoryStorage>();
  MemoryBackend one{storage};
  MemoryBackend two{storage};
  TwoWriters() {
    for (const char* name : {"", "tmp", "objects"}) one.make_directory(name);
    one.barrier({});
  }
  void publish_as(MemoryBackend& backend, const std::string& name) {
    auto temporary = upload(backend, "tmp/" + name, name);
    CHECK(publish(backend, *temporary, "objects/" + name) == MoveResult::done);
  }
};

TEST_CASE("a power cut takes what no barrier covered", "[backend]") {
  TwoWriters writers;
  writers.publish_as(writers.one, "covered");
  writers.one.barrier({});
  writers.publish_as(writers.one, "later");
  writers.publish_as(writers.two, "foreign");
  writers.one.remove("objects/covered");
  writers.storage->power_cut();
  CHECK(names(writers.one, "objects") == Names{"covered"});
  CHECK(content(writers.two, "objects/covered") == "covered");
}

TEST_CASE("a barrier covers others' names only where it is given the directory", "[backend]") {
  TwoWriters writers;
  writers.publish_as(writers.two, "foreign");
  bool given = GENERATE(false, true);
  std::vector<RepoPath> directories;
  if (given) directories.push_back("objects");
  writers.one.barrier(directories);
  writers.storage->power_cut();
  CHECK(names(writers.one, "objects") == (given ? Names{"foreign"} : Names{}));
}

TEST_CASE("any of the uncovered names may survive a power cut, and whole", "[backend]") {
  TwoWriters writers;
  writers.publish_as(writers.one, "a");
  writers.publish_as(writers.one, "b");
  writers.one.barrier({});
  writers.one.move("objects/a", "objects/c");
  writers.one.move("objects/b", "objects/d");
  REQUIRE(writers.storage->volatile_changes() == 2);
  int change = 0;
  writers.storage->power_cut([&] { return ++change == 2; });
  CHECK(names(writers.one, "objects") == Names{"a", "d"});
  CHECK(content(writers.one, "objects/d") == "b");
}

TEST_CASE("a temporary that survives a power cut has lost its bytes", "[backend]") {
  TwoWriters writers;
  auto temporary = upload(writers.one, "tmp/t", "bytes");
  writers.storage->power_cut([] { return true; });
  temporary.reset();
  CHECK(names(writers.one, "tmp") == Names{"t"});
  CHECK(content(writers.one, "tmp/t").empty());
}

TEST_CASE("a directory moved and covered stays moved with all its durable names", "[backend]") {
  TwoWriters writers;
  writers.publish_as(writers.one, "a");
  writers.one.barrier({});
  writers.publish_as(writers.one, "b");
  writers.two.move("objects", "moved");
  writers.two.barrier({});
  writers.storage->power_cut();
  CHECK(names(writers.one, "") == Names{"moved", "tmp"});
  CHECK(names(writers.one, "moved") == Names{"a"});
}

}  // namespace
}  // namespace reverse
