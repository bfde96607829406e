#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "tests/tools/workplace.h"

using Catch::Matchers::Contains;

namespace reverse {

TEST_CASE("an empty source is refused until --allow empty", "[tools]") {
  Workplace work;
  const ToolRun run = work.backup();
  CHECK(run.code == 5);
  CHECK_THAT(run.err, Contains("is empty") && Contains("--allow empty"));
  CHECK(work.revisions() == 0);
  CHECK(work.backup({"--allow", "empty"}).code == 0);
}

TEST_CASE("a source that lost more than half of its entries is refused until --allow shrink",
          "[tools]") {
  Workplace work;
  for (int i = 0; i < 10; ++i) work.source.write("f" + std::to_string(i), "x");
  REQUIRE(work.backup().code == 0);
  for (int i = 0; i < 7; ++i) work.source.remove("f" + std::to_string(i));
  const ToolRun run = work.backup();
  CHECK(run.code == 5);
  CHECK_THAT(run.err, Contains("has 4 entries and had 11") && Contains("--allow shrink"));
  CHECK(work.revisions() == 1);
  CHECK(work.backup({"--allow", "create,shrink"}).code == 0);
}

TEST_CASE("another source under a set's name is refused unless the name was chosen", "[tools]") {
  Workplace work;
  work.write_small_tree();
  TempTree other;
  other.write("x", "1");
  REQUIRE(work.backup({"--as", "/home/joe"}).code == 0);
  const auto again = [&](Words options) {
    options.insert(options.end(), {other.path(), work.repo()});
    return work.run_backup(options);
  };
  const ToolRun run = again({"--as", "/home-joe"});
  CHECK(run.code == 5);
  CHECK_THAT(run.err,
             Contains("'desk/home-joe' belongs to '/home/joe'") && Contains("--allow set"));
  CHECK(again({"--label", "home-joe", "--allow", "shrink"}).code == 0);
  CHECK(again({"--as", "/home-joe", "--allow", "set"}).code == 0);
}

TEST_CASE("no repository is made where this machine has used one before", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup().code == 0);
  std::filesystem::rename(work.repo(), work.harness / "moved");

  const ToolRun absent = work.backup();
  CHECK(absent.code == 5);
  CHECK_THAT(absent.err, Contains("--allow create"));
  CHECK(!std::filesystem::exists(work.repo()));
  std::filesystem::create_directory(work.repo());
  CHECK(work.backup().code == 5);
  CHECK(work.reverse({"init", work.repo()}).code == 5);
  CHECK(work.backup({"-n"}).code == 5);
  CHECK(std::filesystem::is_empty(work.repo()));
  CHECK(work.backup({"--allow", "create"}).code == 0);
}

TEST_CASE("a repository of a newer format is not touched", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup().code == 0);
  const std::string info = work.repo() + "/repository.yaml";
  std::string text = read_file(info);
  const std::string key = "format: 1";
  const std::size_t at = text.find(key);
  REQUIRE(at != std::string::npos);
  std::filesystem::permissions(info, std::filesystem::perms::owner_write,
                               std::filesystem::perm_options::add);
  write_file(info, text.replace(at, key.size(), "format: 2"));
  CHECK(work.backup().code == 10);
  CHECK(work.reverse({"list", work.repo()}).code == 10);
}

}  // namespace reverse
