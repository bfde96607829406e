#include <fcntl.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/layout.h"
#include "tests/tools/workplace.h"
#include "tools/reverse-verify/command.h"

using Catch::Matchers::Contains;

namespace reverse {
namespace {

namespace fs = std::filesystem;

/// A small tree in a repository.
struct Stored : Workplace {
  Stored() {
    write_small_tree();
    const ToolRun run = backup({"--label", "home", "--json"});
    REQUIRE(run.code == 0);
    revision = json_lines(run.out).back()["revision"];
  }
  ToolRun verify(Words words) {
    words.push_back(repo());
    return harness.run(verify_tool(), words);
  }
  static std::string object_of(const std::string& content) {
    return to_string(ObjectName{hash_bytes(DigestKind::md5, content).digest, std::nullopt});
  }
  std::string path_of(const std::string& content) const {
    return repo() + "/objects/" + object_of(content).substr(0, 2) + "/" + object_of(content);
  }
  void spoil(const std::string& content, const std::string& other) const {
    fs::remove(path_of(content));
    write_file(path_of(content), other, 0444);
  }

  std::string revision;
};

}  // namespace

TEST_CASE("verify of a sound repository says what it did and exits 0, -q says nothing",
          "[tools][verify]") {
  Stored f;
  const ToolRun run = f.verify({});
  CHECK(run.code == 0);
  CHECK(run.err.empty());
  const Words lines = lines_of(run.out);
  REQUIRE(lines.size() == 5);
  CHECK_THAT(lines[0], Contains("1 revision, 1 page, 4 objects ("));
  CHECK_THAT(lines[1], Contains("verified 4 objects ("));
  CHECK_THAT(lines[2], Contains("read and hashed on this machine"));
  CHECK_THAT(lines[3], Contains("everything has been verified since 2"));
  CHECK(lines[4] == "no damage found");
  const ToolRun quiet = f.verify({"-q"});
  CHECK(quiet.code == 0);
  CHECK(quiet.out + quiet.err == "");
  const ToolRun quick = f.verify({"--quick"});
  CHECK(quick.code == 0);
  CHECK_THAT(quick.out, Contains("contents were not read"));
}

TEST_CASE("verify names object, revision and path of damage, and exits 4", "[tools][verify]") {
  Stored f;
  f.spoil("alpha\n", "aloha\n");
  fs::remove(f.path_of("gamma\n"));
  const ToolRun run = f.verify({"-q"});
  CHECK(run.code == 4);
  CHECK(run.out == "missing     " + f.object_of("gamma\n") + "  " + f.revision + ":c.txt\n" +
                       "digest      " + f.object_of("alpha\n") + "  " + f.revision +
                       ":docs/a.txt\n");
  CHECK(f.verify({"-q", "--quick"}).out ==
        "missing     " + f.object_of("gamma\n") + "  " + f.revision + ":c.txt\n");
}

TEST_CASE("verify --json: damage objects and the documented summary", "[tools][verify]") {
  Stored f;
  f.spoil("alpha\n", "aloha\n");
  fs::remove(f.repo() + "/manifests/" + f.revision + ".yaml.x");
  const ToolRun run = f.verify({"--json"});
  CHECK(run.code == 4);
  const auto objects = json_lines(run.out);
  REQUIRE(objects.size() == 2);
  CHECK(objects[0] == nlohmann::json({{"message_type", "damage"},
                                      {"object", f.object_of("alpha\n")},
                                      {"kind", "digest"},
                                      {"size", 6},
                                      {"revision", f.revision},
                                      {"path", "docs/a.txt"}}));
  CHECK(objects[1]["exit_code"] == 4);
  CHECK(objects[1]["objects_verified"] == 3);
  CHECK(objects[1]["objects_damaged"] == 1);
  CHECK(objects[1]["paths_damaged"] == 1);
  CHECK(objects[1]["where"] == "client");
  for (const char* field : {"bytes_verified", "oldest_verified", "proves", "manifests_damaged",
                            "objects_not_verified", "objects_never_verified", "in_trash"})
    CHECK(objects[1].contains(field));
}

TEST_CASE("a torn head is damage, told with its reason", "[tools][verify]") {
  Stored f;
  const std::string head = f.repo() + "/manifests/" + f.revision + ".yaml";
  const std::string text = read_file(head);
  fs::remove(head);
  write_file(head, text.substr(0, 100), 0444);
  const ToolRun run = f.verify({});
  CHECK(run.code == 4);
  CHECK_THAT(lines_of(run.out)[0], Contains("manifest    " + f.revision + ": '"));
  CHECK_THAT(run.out, Contains("1 revision lost its head"));
  CHECK(f.verify({"--set", "desk/*"}).code == 4);
}

TEST_CASE("known losses are named and no reason for exit 4", "[tools][verify]") {
  Stored f;
  fs::remove(f.path_of("gamma\n"));
  const std::string file = f.harness / "losses";
  write_file(file, "# nobody has it\n" + f.object_of("gamma\n") + "  c.txt, of 2014\n\n");
  const ToolRun run = f.verify({"--accept-loss", file});
  CHECK(run.code == 0);
  CHECK_THAT(run.out, Contains(":c.txt  (known loss)"));
  CHECK_THAT(run.out, Contains("1 known loss"));
  write_file(file, "c.txt\n");
  CHECK(f.verify({"--accept-loss", file}).code == 2);
}

TEST_CASE("only named or matching revisions are verified", "[tools][verify]") {
  Stored f;
  f.source.write("c.txt", "delta\n");
  REQUIRE(f.backup({"--label", "mail"}).code == 0);
  fs::remove(f.path_of("gamma\n"));
  CHECK(f.verify({"--set", "desk/mail"}).code == 0);
  CHECK(f.verify({"--set", "desk/home"}).code == 4);
  CHECK(f.harness.run(verify_tool(), {f.repo(), "desk/mail"}).code == 0);
  CHECK(f.harness.run(verify_tool(), {f.repo(), "desk/mail", "desk/home"}).code == 4);
  CHECK(f.harness.run(verify_tool(), {f.repo(), "desk/mail:docs"}).code == 2);
  CHECK(f.verify({"--set", "nobody/*"}).code == 1);
}

TEST_CASE("what is not verified in time is told, and done next time", "[tools][verify]") {
  Stored f;
  const ToolRun none = f.verify({"--max-duration", "0"});
  CHECK(none.code == 0);
  CHECK_THAT(none.out, Contains("4 objects never verified so far"));
  CHECK_THAT(f.verify({"--max-duration", "1h"}).out, Contains("everything has been verified"));
  CHECK_THAT(f.verify({"--max-duration", "0"}).out, Contains("everything has been verified"));
}

TEST_CASE("verify --sums answers what a verification on another machine asks", "[tools][verify]") {
  Stored f;
  f.spoil("alpha\n", "aloha\n");
  const std::string question = f.harness / "question";
  const auto path = [&](const std::string& content) {
    return "objects/" + f.object_of(content).substr(0, 2) + "/" + f.object_of(content);
  };
  const auto ask = [&](const std::string& text) {
    write_file(question, text);
    const UniqueFd fd = open_file(question, O_RDONLY);
    f.harness.in_fd = fd.get();
    return f.harness.run(verify_tool(), {"--sums", "md5"});
  };
  const ToolRun run =
      ask(f.repo() + "\n" + path("alpha\n") + '\0' + path("none") + '\0' + path("gamma\n") + '\0');
  CHECK(run.code == 0);
  Words lines = lines_of(run.out);
  REQUIRE(lines.size() == 5);
  CHECK(lines.front() == "reverse-sums 1");
  CHECK(lines.back() == "end 3");
  std::sort(lines.begin() + 1, lines.end() - 1);
  const auto sums = [](const std::string& content) {
    return "6 " + hash_bytes(DigestKind::md5, content).digest.hex() + " " + check_of(content).hex();
  };
  CHECK(lines[1] == "0 " + sums("aloha\n"));
  CHECK(lines[2] == "1 absent");
  CHECK(lines[3] == "2 " + sums("gamma\n"));
  CHECK(ask("").code == 2);
  CHECK(ask(f.repo()).code == 2);
  CHECK(ask(f.repo() + "\ncut").code == 2);
  CHECK(f.harness.run(verify_tool(), {"--sums", "md4"}).code == 2);
  CHECK(f.harness.run(verify_tool(), {"--sums", "md5", f.repo()}).code == 2);
}

TEST_CASE("who reads a local repository is this machine, whatever was asked for",
          "[tools][verify]") {
  Stored f;
  for (const char* where : {"auto", "server", "client"})
    CHECK(json_lines(f.verify({"--json", "--where", where}).out).back()["where"] == "client");
  CHECK(f.verify({"--where", "there"}).code == 2);
}

TEST_CASE("verify refuses what it does not understand", "[tools][verify]") {
  Stored f;
  for (const char* subset : {"0/3", "4/3", "1", "1/", "/2", "a/b", "1/0"})
    CHECK(f.verify({"--subset", subset}).code == 2);
  CHECK(f.verify({"--max-duration", "2m"}).code == 2);
  CHECK(f.harness.run(verify_tool(), {f.harness / "nothing"}).code == 10);
  CHECK(f.reverse({"verify", f.repo()}).code == 0);
}

}  // namespace reverse
